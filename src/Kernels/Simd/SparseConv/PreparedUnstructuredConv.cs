using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>An unstructured convolution with packed weights; see <see cref="UnstructuredConv{TSimd,TVector}"/>.</summary>
internal abstract unsafe class PreparedUnstructuredConv : PreparedConv
{
    [ThreadStatic]
    private static Job? _job;

    private readonly bool _hasResidual;
    private readonly float _minimum = float.NegativeInfinity;
    private readonly float _maximum = float.PositiveInfinity;
    private readonly double _cycles;

    /// <summary>Takes what all loop orders share.</summary>
    protected PreparedUnstructuredConv(ConvShape shape, Epilogue epilogue, VectorWidth width, int weights)
    {
        Shape = shape;
        _hasResidual = epilogue.HasResidual;
        if (epilogue.Activation == FusedActivation.Clamp) (_minimum, _maximum) = (epilogue.Minimum, epilogue.Maximum);
        MultiplyAdds = (long)weights * shape.Batch * shape.OutHeight * shape.OutWidth;
        _cycles = SparseConvCost.UnstructuredCycles(shape, width, (double)weights / shape.WeightCount);
    }

    /// <inheritdoc/>
    public sealed override long WeightBytes => Weights.Bytes;

    /// <inheritdoc/>
    public sealed override long MultiplyAdds { get; }

    /// <summary>The layer.</summary>
    protected ConvShape Shape { get; }

    /// <summary>The packed weights.</summary>
    protected abstract UnstructuredWeights Weights { get; }

    /// <summary>Units of work that can run beside each other.</summary>
    protected abstract int Units { get; }

    /// <summary>Floats of one tile, all vectors.</summary>
    protected abstract int TileFloats { get; }

    /// <summary>Bytes of scratch memory for the input of one part, a multiple of 64.</summary>
    protected abstract long InputBytes { get; }

    private long SumBytes => (long)Shape.OutChannels * TileFloats * sizeof(float);

    private long PartBytes => ((SumBytes + 63) / 64 * 64) + InputBytes;

    /// <inheritdoc/>
    public sealed override long ScratchBytes(int threads) => Math.Max(1, threads) * PartBytes;

    /// <inheritdoc/>
    public sealed override void Run(float* input, float* residual, float* output, byte* scratch, WorkerSet workers)
    {
        var operands = new Operands(input, _hasResidual ? residual : null, output, scratch);
        int parts = _cycles < SparseConvCost.ParallelCycles ? 1 : workers.Threads;
        if (parts == 1)
        {
            RunPart(operands, 0, 1);
            return;
        }

        Job job = _job ??= new Job();
        job.Set(this, operands, parts);
        workers.Run(job, parts);
    }

    /// <summary>Computes some units of work.</summary>
    /// <param name="tile">What all tiles have in common; its output and residual are those of the first of its channels.</param>
    /// <param name="input">The whole input.</param>
    /// <param name="scratch">Memory of <see cref="InputBytes"/>.</param>
    /// <param name="firstChannel">First output channel of the tiles.</param>
    /// <param name="firstUnit">First unit.</param>
    /// <param name="endUnit">Unit after the last.</param>
    protected abstract void RunUnits(UnstructuredTile* tile, float* input, byte* scratch, int firstChannel, int firstUnit, int endUnit);

    // Units are shared out when there are enough of them; otherwise output channels are, and every part prepares its own input.
    private void RunPart(Operands operands, int part, int parts)
    {
        int units = Units;
        bool byUnits = units % parts == 0 || units >= 3 * parts;
        int firstUnit = byUnits ? (int)((long)units * part / parts) : 0;
        int endUnit = byUnits ? (int)((long)units * (part + 1) / parts) : units;
        int firstChannel = byUnits ? 0 : (int)((long)Shape.OutChannels * part / parts);
        int endChannel = byUnits ? Shape.OutChannels : (int)((long)Shape.OutChannels * (part + 1) / parts);
        byte* scratch = operands.Scratch + (part * PartBytes);
        nint plane = (nint)Shape.OutHeight * Shape.OutWidth;
        nint first = firstChannel * plane;
        var tile = new UnstructuredTile
        {
            Channels = endChannel - firstChannel,
            Output = operands.Output + first,
            Residual = operands.Residual == null ? null : operands.Residual + first,
            OutputStride = plane,
            Minimum = _minimum,
            Maximum = _maximum,
            Sums = (float*)scratch,
        };
        RunUnits(&tile, operands.Input, scratch + (PartBytes - InputBytes), firstChannel, firstUnit, endUnit);
    }

    private readonly struct Operands(float* input, float* residual, float* output, byte* scratch)
    {
        public readonly float* Input = input;
        public readonly float* Residual = residual;
        public readonly float* Output = output;
        public readonly byte* Scratch = scratch;
    }

    private sealed class Job : IParallelWork
    {
        private PreparedUnstructuredConv? _owner;
        private Operands _operands;
        private int _parts;

        public void Set(PreparedUnstructuredConv owner, Operands operands, int parts)
        {
            _owner = owner;
            _operands = operands;
            _parts = parts;
        }

        public void Execute(int part) => _owner!.RunPart(_operands, part, _parts);
    }
}
