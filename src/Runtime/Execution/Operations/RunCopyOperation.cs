using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>
/// Cuts a row-major value along one axis or joins several: one side is a whole, the other its parts, and each part is a run
/// of bytes at every index of the axes before.
/// </summary>
/// <param name="node">Node name.</param>
/// <param name="op">Operator name.</param>
/// <param name="outer">Product of the axes before the one that is cut.</param>
internal sealed class RunCopyOperation(string node, string op, int outer) : Operation(node, op)
{
    public override string Attributes => $"{outer}";

    public override IReadOnlyList<StepVariant> Variants(PlanContext context) =>
        [StepCost.Uniform(this, "runs", ActivationLayout.Nchw, StepCost.Streaming(StepCost.Bytes(this)))];

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights) => new(buffers => new RunCopyStep(this, outer, buffers));

    public override StepVariant? OnDevice(PlanContext context) => DeviceStep(context, "gpu.runs");

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights) => new(buffers =>
    {
        bool isSplit = Inputs.Count == 1;
        DeviceView<float> whole = isSplit ? buffers.DeviceInputs[0] : buffers.DeviceOutputs[0];
        DeviceView<float>[] parts = isSplit ? buffers.DeviceOutputs : buffers.DeviceInputs;
        int wholeRun = whole.Length / outer, first = 0;
        var launches = new DeviceLaunch[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            int run = parts[i].Length / outer;
            DeviceView<float> place = whole.From(first);
            launches[i] = isSplit
                ? DeviceOperators.CopyRuns(variant.Device!.Device, place, parts[i], parts[i].Length, run, wholeRun, run)
                : DeviceOperators.CopyRuns(variant.Device!.Device, parts[i], place, parts[i].Length, run, run, wholeRun);
            first += run;
        }

        return new LaunchStep(launches);
    });

    private sealed unsafe class RunCopyStep : PartitionedStep
    {
        private readonly bool _isSplit;
        private readonly nint[] _parts;
        private readonly long[] _runs;
        private readonly long _wholeRun;
        private readonly byte* _whole;

        public RunCopyStep(RunCopyOperation operation, int outer, StepBuffers buffers)
            : base(buffers.Workers, outer, StepCost.Bytes(operation))
        {
            _isSplit = operation.Inputs.Count == 1;
            _parts = _isSplit ? buffers.Outputs : buffers.Inputs;
            _runs = [.. (_isSplit ? operation.Outputs : operation.Inputs).Select(part => part.Bytes(ActivationLayout.Nchw) / outer)];
            _wholeRun = _runs.Sum();
            _whole = (byte*)(_isSplit ? buffers.Inputs[0] : buffers.Outputs[0]);
        }

        protected override void RunUnits(int first, int end)
        {
            for (long unit = first; unit < end; unit++)
            {
                byte* whole = _whole + (unit * _wholeRun);
                for (int i = 0; i < _parts.Length; i++)
                {
                    byte* part = (byte*)_parts[i] + (unit * _runs[i]);
                    if (_isSplit) Buffer.MemoryCopy(whole, part, _runs[i], _runs[i]);
                    else Buffer.MemoryCopy(part, whole, _runs[i], _runs[i]);
                    whole += _runs[i];
                }
            }
        }
    }
}
