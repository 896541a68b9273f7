using System.Numerics.Tensors;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Simd.Gemm;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>A product of two matrices, or of two stacks of them, of which none needs to be constant. Input 0 is A, input 1 B, input 2 the bias when there is one.</summary>
/// <param name="node">Node name.</param>
/// <param name="op">Operator name.</param>
/// <param name="shape">Sizes.</param>
/// <param name="epilogue">Factors, and what the bias is; nothing else.</param>
internal sealed class ProductOperation(string node, string op, GemmShape shape, GemmEpilogue epilogue) : Operation(node, op)
{
    public override string Attributes => $"{shape},{epilogue.Alpha:R},{epilogue.Beta:R},{epilogue.Bias}";

    public override IReadOnlyList<StepVariant> Variants(PlanContext context)
    {
        // Packing B takes about a nanosecond for four values.
        double packing = (double)shape.CountB * shape.Depth * shape.Columns / 4000;
        return [StepCost.Uniform(this, "gemm", ActivationLayout.Nchw, 1 + packing + (shape.MultiplyAdds / 40_000.0))];
    }

    public override StepSpec Describe(StepVariant variant, PlanContext context) =>
        base.Describe(variant, context) with { MultiplyAdds = shape.MultiplyAdds };

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights) => new(
        buffers => new ProductStep(this, buffers), threads => Gemm.ScratchBytes(shape.Rows, PackedMatrix.Allocate(shape.Depth, shape.Columns), threads));

    public override StepVariant? OnDevice(PlanContext context) =>
        DeviceGemmKernels.Choose(shape, epilogue, context.Device!.Limits) is { } kernel ? DeviceStep(context, kernel.Name) : null;

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights) => new(buffers => new LaunchStep(DeviceOperators.Gemm(
        variant.Device!.Device,
        shape,
        epilogue,
        new GemmViews(buffers.DeviceInputs[0], buffers.DeviceInputs[1], HasBias ? buffers.DeviceInputs[2] : buffers.DeviceInputs[0], buffers.DeviceInputs[0], buffers.DeviceOutputs[0]))));

    private bool HasBias => epilogue.Bias != GemmBias.None;

    private GemmShape Shape => shape;

    private GemmEpilogue Epilogue => epilogue;

    private sealed unsafe class ProductStep(ProductOperation operation, StepBuffers buffers) : Step
    {
        private readonly GemmShape _shape = operation.Shape;
        private readonly GemmEpilogue _epilogue = operation.Epilogue;
        private readonly PackedMatrix _matrix = PackedMatrix.Allocate(operation.Shape.Depth, operation.Shape.Columns);
        private readonly float* _a = (float*)buffers.Inputs[0];
        private readonly float* _b = (float*)buffers.Inputs[1];
        private readonly float* _bias = operation.HasBias ? (float*)buffers.Inputs[2] : null;
        private readonly float* _output = (float*)buffers.Outputs[0];

        public override void Run()
        {
            (int rows, int columns, int depth) = (_shape.Rows, _shape.Columns, _shape.Depth);
            for (int i = 0; i < _shape.Count; i++)
            {
                if (i == 0 || _shape.CountB > 1) _matrix.Repack(_b + ((long)(i % _shape.CountB) * depth * columns), _shape.TransposeB ? depth : columns, _shape.TransposeB);
                float* target = _output + ((long)i * rows * columns);
                Gemm.Run(
                    rows, _a + ((long)(i % _shape.CountA) * rows * depth), _shape.TransposeA ? rows : depth, _shape.TransposeA, _matrix, null, target, columns, (byte*)buffers.Scratch, buffers.Workers);
                if (_epilogue.Alpha != 1 || _bias != null) Finish(target);
            }
        }

        private void Finish(float* target)
        {
            int columns = _shape.Columns;
            for (int row = 0; row < _shape.Rows; row++)
            {
                var values = new Span<float>(target + ((long)row * columns), columns);
                TensorPrimitives.Multiply(values, _epilogue.Alpha, values);
                if (_epilogue.Bias == GemmBias.PerRow) TensorPrimitives.Add(values, _epilogue.Beta * _bias[row], values);
                if (_epilogue.Bias is not (GemmBias.PerColumn or GemmBias.Matrix)) continue;
                float* bias = _epilogue.Bias == GemmBias.Matrix ? _bias + ((long)row * columns) : _bias;
                TensorPrimitives.MultiplyAdd(new ReadOnlySpan<float>(bias, columns), _epilogue.Beta, values, values);
            }
        }
    }
}
