using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>Cast of 32-bit integers to float32, what follows an integer layer.</summary>
internal sealed class ConvertOperation(string node) : Operation(node, "Cast")
{
    public override string Attributes => "";

    public override bool MayOverwrite(int input) => true;

    public override IReadOnlyList<StepVariant> Variants(PlanContext context) =>
        [StepCost.Uniform(this, "simd", ActivationLayout.Nchw, StepCost.Streaming(StepCost.Bytes(this)))];

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights)
    {
        int count = Inputs[0].Shape.Count;
        return new PreparedStep(buffers => new ConvertStep(count, buffers));
    }

    public override bool HasKernelsOfItsTypes => true;

    public override StepVariant? OnDevice(PlanContext context) => DeviceStep(context, "gpu.convert");

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights) => new(buffers =>
        new LaunchStep(DeviceOperators.ConvertToFloat(variant.Device!.Device, buffers.DeviceInputs[0].As<int>(Inputs[0].Shape.Count), buffers.DeviceOutputs[0])));

    private sealed unsafe class ConvertStep(int count, StepBuffers buffers) : Step
    {
        private readonly int* _input = (int*)buffers.Inputs[0];
        private readonly float* _output = (float*)buffers.Outputs[0];

        public override void Run()
        {
            for (int i = 0; i < count; i++) _output[i] = _input[i];
        }
    }
}
