using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;

namespace CoInference.Runtime.Execution;

/// <summary>
/// A convolution or fully connected layer with constant weights: y = activation(conv(x) + bias + residual). Input 0 is
/// x, input 1 the residual when the epilogue has one. A fully connected layer is a convolution over one pixel.
/// </summary>
internal sealed class ConvOperation(string node, string op, ConvShape shape, LayerWeights weights) : Operation(node, op)
{
    public ConvShape Shape { get; } = shape;

    public LayerWeights Weights { get; set; } = weights;

    public Epilogue Epilogue { get; set; }

    public override string Attributes => KernelChooser.Describe(Epilogue);

    // The residual is read at the place where the sum is stored, never later.
    public override bool MayOverwrite(int input) => input == 1;

    public override IReadOnlyList<StepVariant> Variants(PlanContext context)
    {
        IReadOnlyList<StepVariant> all = context.Chooser.Convolutions(Shape, Epilogue, Weights.Zeros, context.Threads, context.Precise);
        if (context.ForcedKernel is not { } name) return all;
        StepVariant[] forced = [.. all.Where(variant => variant.Kernel == name)];
        return forced.Length > 0 ? forced : all;
    }

    public override StepVariant? OnDevice(PlanContext context)
    {
        IReadOnlyList<StepVariant> all = DeviceKernelChoice.Convolutions(
            context.Device!, DeviceKernelChoice.Rows(context.Precise, context.Precision), Shape, Epilogue, Weights.Zeros, context.Chooser);
        if (context.ForcedKernel is { } name && all.FirstOrDefault(variant => variant.Kernel == name) is { } forced) return forced;
        return all.MinBy(variant => variant.Microseconds);
    }

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights)
    {
        (ComputeDevice device, DeviceConvKernel? kernel, double density, _) = variant.Device!;
        (float[] values, float[] bias) = randomWeights ? RandomWeights.Create(Shape, kernel!.Form, density) : Weights.Materialize(Shape);
        DeviceConvLayer layer = kernel!.Prepare(device, Shape, Epilogue, values, bias);
        return new PreparedStep(
            buffers => new LaunchStep(layer.Bind(buffers.DeviceInputs[0], Epilogue.HasResidual ? buffers.DeviceInputs[1] : default, buffers.DeviceOutputs[0])), Weights: layer);
    }

    public override StepSpec Describe(StepVariant variant, PlanContext context)
    {
        double density = variant.ConvolutionDensity;
        long weightBytes = (long)(4 * density * Shape.WeightCount) + (Weights.Bias is null ? 0 : 4 * Shape.OutChannels);
        long bytes = Outputs[0].Bytes(variant.Outputs[0]) + weightBytes;
        for (int i = 0; i < Inputs.Count; i++) bytes += Inputs[i].Bytes(variant.Inputs[i]);
        return new StepSpec
        {
            Node = Node,
            Op = Op,
            Kernel = variant.Kernel,
            Device = variant.Device?.Device.Description.Id ?? "cpu",
            Key = variant.ConvolutionKey,
            Conv = Shape,
            Form = variant.ConvolutionForm,
            Density = density,
            MultiplyAdds = (long)(density * Shape.MultiplyAdds),
            Bytes = bytes,
            EstimatedMicroseconds = variant.Microseconds,
            Recipe = new StepRecipe(this, variant, context.Threads, context.Precision),
        };
    }

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights)
    {
        (ConvKernel kernel, double density, _) = variant.Convolution!;
        (float[] values, float[] bias) = randomWeights
            ? RandomWeights.Create(Shape, kernel.Form, density)
            : Weights.Materialize(Shape);
        PreparedConv prepared = kernel.Prepare(Shape, Epilogue, values, bias);
        return new PreparedStep(buffers => new ConvStep(prepared, buffers), prepared.ScratchBytes);
    }

    private sealed unsafe class ConvStep(PreparedConv prepared, StepBuffers buffers) : Step, IMovableStep
    {
        private readonly float* _residual = buffers.Inputs.Length > 1 ? (float*)buffers.Inputs[1] : null;
        private readonly byte* _scratch = (byte*)buffers.Scratch;
        private readonly WorkerSet _workers = buffers.Workers;
        private float* _input = (float*)buffers.Inputs[0];
        private float* _output = (float*)buffers.Outputs[0];

        public override void Run() => prepared.Run(_input, _residual, _output, _scratch, _workers);

        public bool CanMoveInput(int input) => input == 0 && prepared.AcceptsForeignMemory;

        public bool CanMoveOutput => prepared.AcceptsForeignMemory;

        public void MoveInput(nint address) => _input = (float*)address;

        public void MoveOutput(nint address) => _output = (float*)address;
    }
}
