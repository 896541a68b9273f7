using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>An unstructured convolution with packed weights; see <see cref="UnstructuredConv{TSimd,TVector}"/>.</summary>
/// <remarks>
/// Loop order inside a part of the work: band of rows, tile of pixels, chunk of input channels, output channel, weight. A
/// chunk is as large as what the tile reads of it stays in the first-level cache; between chunks the sums rest in the output.
/// </remarks>
internal sealed unsafe class PreparedUnstructuredConv<TSimd, TVector> : PreparedConv
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
{
    private const double ChunkBytes = 32 * 1024;

    // With fewer weights per output channel a chunk does not pay for the sums it loads and stores.
    private const double WeightsPerChunk = 16;

    [ThreadStatic]
    private static Job? _job;

    private readonly ConvShape _shape;
    private readonly PixelWindow _window;
    private readonly float _minimum = float.NegativeInfinity;
    private readonly float _maximum = float.PositiveInfinity;
    private readonly bool _hasResidual;
    private readonly AlignedBuffer _weights;
    private readonly AlignedBuffer _counts;
    private readonly AlignedBuffer _bias;
    private readonly int[] _starts;
    private readonly int _chunks;
    private readonly int _chunkChannels;
    private readonly int _tileVectors;
    private readonly int _bands;
    private readonly double _cycles;

    public PreparedUnstructuredConv(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        _shape = shape;
        _hasResidual = epilogue.HasResidual;
        if (epilogue.Activation == FusedActivation.Clamp) (_minimum, _maximum) = (epilogue.Minimum, epilogue.Maximum);
        int bandRows = PixelWindow.ChooseBand(shape);
        _window = new PixelWindow(shape, TSimd.Lanes, bandRows);
        _bands = (_window.Rows + bandRows - 1) / bandRows;
        int stored = 0;
        foreach (float weight in weights) stored += weight != 0 ? 1 : 0;

        _tileVectors = UnstructuredTiles<TSimd, TVector>.MaxVectors;
        while (_tileVectors > 1 && (_tileVectors - 1) * TSimd.Lanes >= bandRows * _window.RowPixels) _tileVectors /= 2;
        int groupInputs = shape.InChannels / shape.Groups;
        double weightsPerInput = Math.Max((double)stored / shape.OutChannels / groupInputs, 1e-6);
        double chunk = Math.Max(ChunkBytes / sizeof(float) / _window.TileFloats(_tileVectors * TSimd.Lanes), WeightsPerChunk / weightsPerInput);
        _chunks = (int)Math.Clamp(Math.Round(groupInputs / chunk), 1, groupInputs);
        _chunkChannels = (groupInputs + _chunks - 1) / _chunks;

        // The second half of the biases is zero: later chunks continue the sum of the first.
        _bias = new AlignedBuffer(2L * shape.OutChannels * sizeof(float));
        bias.CopyTo(new Span<float>(_bias.Pointer, shape.OutChannels));
        _counts = new AlignedBuffer((long)_chunks * shape.OutChannels * sizeof(int));
        _starts = new int[_chunks * shape.OutChannels];
        _weights = new AlignedBuffer((long)stored * sizeof(SparseWeight));
        Pack(weights);
        MultiplyAdds = (long)stored * shape.Batch * shape.OutHeight * shape.OutWidth;
        _cycles = SparseConvCost.UnstructuredCycles(shape, (VectorWidth)TSimd.Lanes, (double)stored / shape.WeightCount);
    }

    /// <inheritdoc/>
    public override long WeightBytes => _weights.Length;

    /// <inheritdoc/>
    public override long MultiplyAdds { get; }

    private static long SpillBytes => UnstructuredTiles<TSimd, TVector>.MaxVectors * AlignedBuffer.Alignment;

    private long PartBytes => (_window.Bytes + 63) / 64 * 64 + SpillBytes;

    /// <inheritdoc/>
    public override long ScratchBytes(int threads) => Math.Max(1, threads) * PartBytes;

    /// <inheritdoc/>
    public override void Run(float* input, float* residual, float* output, byte* scratch, WorkerSet workers)
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

    private void Pack(ReadOnlySpan<float> weights)
    {
        var target = (SparseWeight*)_weights.Pointer;
        var counts = (int*)_counts.Pointer;
        int groupInputs = _shape.InChannels / _shape.Groups;
        int groupOutputs = _shape.OutChannels / _shape.Groups;
        int taps = _shape.KernelHeight * _shape.KernelWidth;
        int stored = 0;
        for (int chunk = 0; chunk < _chunks; chunk++)
        {
            int end = Math.Min(groupInputs, (chunk + 1) * _chunkChannels) * taps;
            for (int output = 0; output < _shape.OutChannels; output++)
            {
                int row = (chunk * _shape.OutChannels) + output;
                _starts[row] = stored;
                for (int i = chunk * _chunkChannels * taps; i < end; i++)
                {
                    float weight = weights[(output * groupInputs * taps) + i];
                    if (weight == 0) continue;
                    int tap = i % taps;
                    int channel = (output / groupOutputs * groupInputs) + (i / taps);
                    target[stored++] = new SparseWeight(_window.TapOffset(channel, tap / _shape.KernelWidth, tap % _shape.KernelWidth), weight);
                }

                counts[row] = stored - _starts[row];
            }
        }
    }

    // Bands are shared out when there are enough of them; otherwise output channels are, and every part copies its own input.
    private void RunPart(Operands operands, int part, int parts)
    {
        int units = _shape.Batch * _bands;
        bool byBands = units % parts == 0 || units >= 4 * parts;
        int firstUnit = byBands ? (int)((long)units * part / parts) : 0;
        int endUnit = byBands ? (int)((long)units * (part + 1) / parts) : units;
        int firstChannel = byBands ? 0 : (int)((long)_shape.OutChannels * part / parts);
        int endChannel = byBands ? _shape.OutChannels : (int)((long)_shape.OutChannels * (part + 1) / parts);
        byte* scratch = operands.Scratch + (part * PartBytes);
        var tile = new UnstructuredTile
        {
            OutputStride = (nint)_shape.OutHeight * _shape.OutWidth,
            Channels = endChannel - firstChannel,
            Spill = (float*)scratch,
            InputStride = _window.ChannelFloats,
            InputChannels = _shape.InChannels,
        };
        var band = (float*)(scratch + SpillBytes);
        for (int unit = firstUnit; unit < endUnit; unit++)
        {
            int image = unit / _bands;
            int row = unit % _bands * _window.BandRows;
            int pixels = Math.Min(_window.BandRows, _window.Rows - row) * _window.RowPixels;
            nint at = ((((nint)image * _shape.OutChannels) + firstChannel) * tile.OutputStride) + ((nint)row * _window.RowPixels);
            tile.Input = _window.Open(operands.Input + ((nint)image * _shape.InChannels * _shape.InHeight * _shape.InWidth), band, row);
            tile.Output = operands.Output + at;
            RunPixels(&tile, operands.Residual == null ? null : operands.Residual + at, firstChannel, pixels);
        }
    }

    // The widest tiles first; the rest in ever narrower ones, so that at most one vector is partly filled.
    private void RunPixels(UnstructuredTile* tile, float* residual, int firstChannel, int pixels)
    {
        for (int vectors = _tileVectors; vectors >= 1; vectors /= 2)
        {
            delegate*<UnstructuredTile*, void> run = UnstructuredTiles<TSimd, TVector>.Get(vectors);
            int width = vectors * TSimd.Lanes;
            while (pixels >= width || (vectors == 1 && pixels > 0))
            {
                tile->Pixels = Math.Min(pixels, width);
                for (int chunk = 0; chunk < _chunks; chunk++)
                {
                    int row = (chunk * _shape.OutChannels) + firstChannel;
                    bool first = chunk == 0, last = chunk == _chunks - 1;
                    tile->Weights = (SparseWeight*)_weights.Pointer + _starts[row];
                    tile->Counts = (int*)_counts.Pointer + row;
                    tile->Bias = (float*)_bias.Pointer + (first ? firstChannel : _shape.OutChannels);
                    tile->Addend = first ? residual : tile->Output;
                    tile->Minimum = last ? _minimum : float.NegativeInfinity;
                    tile->Maximum = last ? _maximum : float.PositiveInfinity;
                    tile->NextOutput = first && pixels > width ? width : 0;
                    tile->NextInput = _window.Copies ? null : tile->Input + width;
                    run(tile);
                }

                tile->Input += width;
                tile->Output += width;
                if (residual != null) residual += width;
                pixels -= width;
            }
        }
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
        private PreparedUnstructuredConv<TSimd, TVector>? _owner;
        private Operands _operands;
        private int _parts;

        public void Set(PreparedUnstructuredConv<TSimd, TVector> owner, Operands operands, int parts)
        {
            _owner = owner;
            _operands = operands;
            _parts = parts;
        }

        public void Execute(int part) => _owner!.RunPart(_operands, part, _parts);
    }
}
