using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution.Operators;

/// <summary>Matrix products: floating-point, integer and quantized.</summary>
internal static class MatrixOperators
{
    public static IReadOnlyList<OperatorRow> All { get; } =
    [
        new()
        {
            Name = "MatMul",
            SameType = 0..2,
            Shapes = context => [MatrixProduct.MatMulShape(context.Shape(0), context.Shape(1))],
            Run = context => [MatrixProduct.MatMul(context.Tensor(0), context.Tensor(1))],
        },
        new()
        {
            Name = "Gemm",
            SameType = 0..3,
            Shapes = context => [MatrixProduct.GemmShape(
                context.Shape(0), context.Shape(1), context.Has(2) ? context.Shape(2) : null, Transposed(context, "transA"), Transposed(context, "transB"))],
            Run = context => [MatrixProduct.Gemm(
                context.Tensor(0), context.Tensor(1), context.OptionalTensor(2), context.Node.Float("alpha", 1), context.Node.Float("beta", 1), Transposed(context, "transA"), Transposed(context, "transB"))],
        },
        new()
        {
            Name = "MatMulInteger",
            Shapes = context => [MatrixProduct.MatMulShape(context.Shape(0), context.Shape(1))],
            Run = context => [MatrixProduct.MatMulInteger(context.Tensor(0), context.Tensor(1), context.OptionalTensor(2), context.OptionalTensor(3))],
            Type = (_, _) => ElementType.Int32,
        },
        new()
        {
            Name = "QLinearMatMul",
            Shapes = context => [MatrixProduct.MatMulShape(context.Shape(0), context.Shape(3))],
            Run = context => [MatrixProduct.MatMulQuantized(
                new QuantizedTensor(context.Tensor(0), context.Tensor(1), context.Tensor(2)),
                new QuantizedTensor(context.Tensor(3), context.Tensor(4), context.Tensor(5)),
                new QuantizedScale(context.Tensor(6), context.Tensor(7)))],
            Type = (context, _) => context.Spec(7).Type,
        },
    ];

    private static bool Transposed(NodeContext context, string attribute) => context.Node.Int(attribute, 0) != 0;
}
