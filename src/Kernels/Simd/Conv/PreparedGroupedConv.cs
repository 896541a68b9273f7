using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>A grouped convolution with packed weights; see <see cref="GroupedConv{TSimd,TVector,TLanes}"/>.</summary>
internal sealed unsafe class PreparedGroupedConv<TSimd, TVector, TLanes> : PreparedConv
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TLanes : IConstant
{
    [ThreadStatic]
    private static Job? _job;

    private readonly ConvShape _shape;
    private readonly Epilogue _epilogue;
    private readonly PreparedDirectConv<TSimd, TVector, TLanes, N1>[] _groups;
    private readonly int _pixels;
    private readonly int _groupOutputs;
    private readonly long _blockedBytes;
    private readonly long _partBytes;
    private readonly double _cycles;

    public PreparedGroupedConv(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        _shape = shape;
        _epilogue = epilogue;
        _pixels = shape.OutHeight * shape.OutWidth;
        _groupOutputs = shape.OutChannels / shape.Groups;
        ConvShape groupShape = GroupedConv<TSimd, TVector, TLanes>.GroupShape(shape);
        int groupWeights = groupShape.WeightCount;
        _groups = new PreparedDirectConv<TSimd, TVector, TLanes, N1>[shape.Groups];
        for (int group = 0; group < shape.Groups; group++)
        {
            _groups[group] = new PreparedDirectConv<TSimd, TVector, TLanes, N1>(
                groupShape,
                default,
                weights.Slice(group * groupWeights, groupWeights),
                bias.IsEmpty ? bias : bias.Slice(group * _groupOutputs, _groupOutputs));
        }

        int blocks = (_groupOutputs + TLanes.Value - 1) / TLanes.Value;
        _blockedBytes = (((long)blocks * TLanes.Value * _pixels * sizeof(float)) + 63) / 64 * 64;
        _partBytes = _blockedBytes + _groups[0].ScratchBytes(threads: 1);
        _cycles = shape.Batch * shape.Groups * DirectConvCost.Cycles(groupShape, (VectorWidth)TLanes.Value, channelsPerBlock: 1);
    }

    /// <inheritdoc/>
    public override long WeightBytes => _groups.Sum(group => group.WeightBytes);

    /// <inheritdoc/>
    public override long MultiplyAdds => _shape.MultiplyAdds;

    /// <inheritdoc/>
    public override long ScratchBytes(int threads) => Math.Max(1, threads) * _partBytes;

    /// <inheritdoc/>
    public override void Run(float* input, float* residual, float* output, byte* scratch, WorkerSet workers)
    {
        if (!_epilogue.HasResidual) residual = null;
        int parts = _cycles < DirectConvCost.ParallelCycles ? 1 : workers.Threads;
        if (parts == 1)
        {
            RunPart(input, residual, output, scratch, 0, 1);
            return;
        }

        Job job = _job ??= new Job();
        job.Owner = this;
        job.Input = input;
        job.Residual = residual;
        job.Output = output;
        job.Scratch = scratch;
        job.Parts = parts;
        workers.Run(job, parts);
        job.Owner = null;
    }

    private void RunPart(float* input, float* residual, float* output, byte* scratch, int part, int parts)
    {
        int units = _shape.Batch * _shape.Groups;
        float* blocked = (float*)(scratch + (part * _partBytes));
        byte* groupScratch = scratch + (part * _partBytes) + _blockedBytes;
        nint groupInput = (nint)_shape.InChannels / _shape.Groups * _shape.InHeight * _shape.InWidth;
        nint groupOutput = (nint)_groupOutputs * _pixels;
        for (int unit = (int)((long)units * part / parts); unit < (int)((long)units * (part + 1) / parts); unit++)
        {
            _groups[unit % _shape.Groups].Run(input + (unit * groupInput), null, blocked, groupScratch, WorkerSet.Single);
            Move(blocked, residual == null ? null : residual + (unit * groupOutput), output + (unit * groupOutput));
        }
    }

    private void Move(float* blocked, float* residual, float* output)
    {
        bool clamps = _epilogue.Activation == FusedActivation.Clamp;
        for (int channel = 0; channel < _groupOutputs; channel++)
        {
            float* from = blocked + ((nint)(channel / TLanes.Value) * TLanes.Value * _pixels) + (channel % TLanes.Value);
            for (int pixel = 0; pixel < _pixels; pixel++)
            {
                float value = from[(nint)pixel * TLanes.Value];
                if (residual != null) value += *residual++;
                *output++ = clamps ? SimdScalar.AtMost(_epilogue.Maximum, SimdScalar.AtLeast(_epilogue.Minimum, value)) : value;
            }
        }
    }

    private sealed class Job : IParallelWork
    {
        public PreparedGroupedConv<TSimd, TVector, TLanes>? Owner { get; set; }

        public float* Input { get; set; }

        public float* Residual { get; set; }

        public float* Output { get; set; }

        public byte* Scratch { get; set; }

        public int Parts { get; set; }

        public void Execute(int part) => Owner!.RunPart(Input, Residual, Output, Scratch, part, Parts);
    }
}
