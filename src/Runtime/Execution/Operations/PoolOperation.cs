using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Simd.Pooling;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>A pool over sliding windows.</summary>
internal sealed class PoolOperation(string node, string op, PoolFunction function, PoolWindow window) : Operation(node, op)
{
    public override string Attributes =>
        $"{function},k{window.KernelHeight}x{window.KernelWidth}s{window.StrideY}x{window.StrideX}p{window.PadTop},{window.PadLeft},{window.PadBottom},{window.PadRight}d{window.DilationY}x{window.DilationX}";

    public override IReadOnlyList<StepVariant> Variants(PlanContext context)
    {
        long taps = (long)Outputs[0].Shape.Count * window.KernelHeight * window.KernelWidth;
        return
        [
            .. StepCost.Blocked.Select(layout => StepCost.Uniform(this, "simd", layout, 0.3 + (taps / (800.0 * layout.Block)))),
            StepCost.Uniform(this, "scalar", ActivationLayout.Nchw, 0.3 + (taps / 500.0)),
        ];
    }

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights)
    {
        int block = variant.Outputs[0].Block;
        ImageShape image = Outputs[0].Image!.Value;
        int planes = image.Batch * variant.Outputs[0].PaddedChannels(image.Channels) / block;
        long bytes = 4L * planes * block * window.OutHeight * window.OutWidth * window.KernelHeight * window.KernelWidth;
        return new PreparedStep(buffers => new PoolStep(function, window, block, planes, bytes, buffers));
    }

    public override StepVariant? OnDevice(PlanContext context) => DeviceStep(context, "gpu.pool");

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights) => new(buffers =>
        new LaunchStep(DeviceOperators.Pool(variant.Device!.Device, function, window, buffers.DeviceInputs[0], buffers.DeviceOutputs[0])));

    // Padding channels stay zero: the maximum and the mean of zeros are zero.
    private sealed unsafe class PoolStep(PoolFunction function, PoolWindow window, int block, int planes, long bytes, StepBuffers buffers)
        : PartitionedStep(buffers.Workers, planes, bytes)
    {
        private readonly float* _input = (float*)buffers.Inputs[0];
        private readonly float* _output = (float*)buffers.Outputs[0];

        protected override void RunUnits(int first, int end) => Pool.Run(function, window, block, _input, _output, first, end);
    }
}
