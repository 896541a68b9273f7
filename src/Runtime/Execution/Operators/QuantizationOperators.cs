using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Onnx;

namespace CoInference.Runtime.Execution.Operators;

/// <summary>Conversion between element types and to and from quantized integers.</summary>
internal static class QuantizationOperators
{
    public static IReadOnlyList<OperatorRow> All { get; } =
    [
        new()
        {
            Name = "Cast",
            Shapes = context => [context.Shape(0)],
            Run = context => [Casting.Cast(context.Tensor(0), TypeAttribute(context, "to"))],
            Type = (context, _) => TypeAttribute(context, "to"),
        },
        new()
        {
            Name = "CastLike",
            Shapes = context => [context.Shape(0)],
            Run = context => [Casting.Cast(context.Tensor(0), context.Spec(1).Type)],
            Type = (context, _) => context.Spec(1).Type,
        },
        new()
        {
            Name = "QuantizeLinear",
            Shapes = context => [context.Shape(0)],
            Run = context => [Quantization.Quantize(
                context.Tensor(0), context.Tensor(1), context.OptionalTensor(2), QuantizedType(context), AxisOf(context), context.Int32("block_size", 0))],
            Type = (context, _) => QuantizedType(context),
        },
        new()
        {
            Name = "DequantizeLinear",
            Shapes = context => [context.Shape(0)],
            Run = context => [Quantization.Dequantize(
                context.Tensor(0), context.Tensor(1), context.OptionalTensor(2), DequantizedType(context), AxisOf(context), context.Int32("block_size", 0))],
            Type = (context, _) => DequantizedType(context),
        },
        new()
        {
            Name = "DynamicQuantizeLinear",
            Shapes = context => [context.Shape(0), new TensorShape(), new TensorShape()],
            Run = context =>
            {
                QuantizedTensor result = Quantization.QuantizeDynamically(context.Tensor(0));
                return [result.Values, result.Scale, result.ZeroPoint];
            },
            Type = (_, output) => output == 1 ? ElementType.Float32 : ElementType.UInt8,
        },
    ];

    private static int AxisOf(NodeContext context) => context.Int32("axis", 1);

    private static ElementType QuantizedType(NodeContext context) =>
        context.Has(2) ? context.Spec(2).Type
        : context.Node.Int("output_dtype", 0) != 0 ? TypeAttribute(context, "output_dtype")
        : ElementType.UInt8;

    private static ElementType DequantizedType(NodeContext context) =>
        context.Node.Int("output_dtype", 0) != 0 ? TypeAttribute(context, "output_dtype") : context.Spec(1).Type;

    private static ElementType TypeAttribute(NodeContext context, string name) =>
        OnnxTensor.ElementTypeOf(context.Int32(name, 0), $"Node {context.Node}, attribute '{name}'");
}
