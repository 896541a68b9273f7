using CoInference.Kernels.Gpu;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>A value on its way between host and device memory, row-major.</summary>
internal sealed class DeviceCopyOperation : Operation
{
    /// <summary>Operator name of the steps.</summary>
    public const string OpName = "Copy";

    private readonly bool _toDevice;

    public DeviceCopyOperation(PlanValue value, bool toDevice)
        : base(value.Name, OpName)
    {
        _toDevice = toDevice;
        Inputs.Add(value);
        Outputs.Add(value);
    }

    public override string Attributes => _toDevice ? "upload" : "download";

    public override IReadOnlyList<StepVariant> Variants(PlanContext context) =>
        [DeviceStep(context, _toDevice ? "gpu.upload" : "gpu.download")];

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights) => PrepareOnDevice(variant, randomWeights);

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights) => new(buffers => new CopyStep(_toDevice, Inputs[0], buffers));

    private sealed unsafe class CopyStep(bool toDevice, PlanValue value, StepBuffers buffers) : Step
    {
        private readonly int _bytes = checked((int)value.Bytes(ActivationLayout.Nchw));
        private readonly void* _host = (void*)(toDevice ? buffers.Inputs[0] : buffers.Outputs[0]);
        private readonly DeviceView<float> _device = toDevice ? buffers.DeviceOutputs[0] : buffers.DeviceInputs[0];

        public override void Run()
        {
            long offset = (long)_device.Offset * sizeof(float);
            if (toDevice) _device.Buffer.Write(new ReadOnlySpan<byte>(_host, _bytes), offset);
            else _device.Buffer.Read(new Span<byte>(_host, _bytes), offset);
        }
    }
}
