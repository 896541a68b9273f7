using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>The weights of a layer that are not zero, with what each multiplies, by chunk of input channels and output channel.</summary>
internal sealed unsafe class UnstructuredWeights
{
    // What a tile reads of a chunk should leave room in the first-level cache for weights and sums.
    private const double ChunkBytes = 30 * 1024;

    // With fewer weights per output channel a chunk does not pay for the sums it loads and stores.
    private const double WeightsPerChunk = 8;

    private readonly int _outputs;
    private readonly AlignedBuffer _values;
    private readonly AlignedBuffer _offsets;
    private readonly AlignedBuffer _counts;
    private readonly AlignedBuffer _bias;
    private readonly int[] _starts;

    /// <summary>Packs weights.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="weights">Weights [outputs, inputs of a group, kernel height, kernel width].</param>
    /// <param name="bias">One per output channel, or none.</param>
    /// <param name="chunkChannels">Input channels per chunk, of each group.</param>
    /// <param name="offset">Floats from an output pixel to what it reads for an input channel, kernel row and column.</param>
    public UnstructuredWeights(ConvShape shape, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias, int chunkChannels, Func<int, int, int, int> offset)
    {
        int groupInputs = shape.InChannels / shape.Groups;
        _outputs = shape.OutChannels;
        Chunks = (groupInputs + chunkChannels - 1) / chunkChannels;
        Count = CountOf(weights);
        _bias = new AlignedBuffer((long)shape.OutChannels * sizeof(float));
        bias.CopyTo(new Span<float>(_bias.Pointer, shape.OutChannels));
        _counts = new AlignedBuffer((long)Chunks * shape.OutChannels * sizeof(int));
        _starts = new int[Chunks * shape.OutChannels];
        long places = Count + ((UnstructuredTile.Step - 1L) * _starts.Length) + (2 * UnstructuredTile.Step);
        _values = new AlignedBuffer(places * sizeof(float));
        _offsets = new AlignedBuffer(places * sizeof(int));

        var values = (float*)_values.Pointer;
        var offsets = (int*)_offsets.Pointer;
        var counts = (int*)_counts.Pointer;
        int groupOutputs = shape.OutChannels / shape.Groups;
        int taps = shape.KernelHeight * shape.KernelWidth;
        int stored = 0;
        for (int chunk = 0; chunk < Chunks; chunk++)
        {
            int end = Math.Min(groupInputs, (chunk + 1) * chunkChannels) * taps;
            for (int output = 0; output < shape.OutChannels; output++)
            {
                int row = (chunk * shape.OutChannels) + output;
                _starts[row] = stored;
                for (int i = chunk * chunkChannels * taps; i < end; i++)
                {
                    float weight = weights[(output * groupInputs * taps) + i];
                    if (weight == 0) continue;
                    int channel = (output / groupOutputs * groupInputs) + (i / taps);
                    offsets[stored] = offset(channel, i % taps / shape.KernelWidth, i % shape.KernelWidth);
                    values[stored++] = weight;
                }

                counts[row] = stored - _starts[row];
                stored = (stored + UnstructuredTile.Step - 1) / UnstructuredTile.Step * UnstructuredTile.Step;
            }
        }
    }

    /// <summary>Chunks of input channels.</summary>
    public int Chunks { get; }

    /// <summary>Weights that are not zero.</summary>
    public int Count { get; }

    /// <summary>Bytes of the weights and their offsets, without what lies between output channels.</summary>
    public long Bytes => (long)Count * (sizeof(float) + sizeof(int));

    /// <summary>Weights that are not zero.</summary>
    public static int CountOf(ReadOnlySpan<float> weights)
    {
        int count = 0;
        foreach (float weight in weights) count += weight != 0 ? 1 : 0;
        return count;
    }

    /// <summary>
    /// Input channels per chunk and group, so that what a tile reads of them stays in the first-level cache, if each output
    /// channel then still has weights enough in a chunk.
    /// </summary>
    /// <param name="shape">The layer.</param>
    /// <param name="count">Weights that are not zero.</param>
    /// <param name="tileBytes">Bytes that a tile reads of an input channel.</param>
    public static int ChunkChannels(ConvShape shape, double count, double tileBytes)
    {
        int groupInputs = shape.InChannels / shape.Groups;
        double weightsPerInput = Math.Max(count / shape.OutChannels / groupInputs, 1e-6);
        double chunk = Math.Max(ChunkBytes / tileBytes, WeightsPerChunk / weightsPerInput);
        var chunks = (int)Math.Clamp(Math.Ceiling(groupInputs / chunk), 1, groupInputs);
        return (groupInputs + chunks - 1) / chunks;
    }

    /// <summary>Points a tile to a chunk, beginning with output channel <paramref name="firstChannel"/>.</summary>
    public void Select(UnstructuredTile* tile, int chunk, int firstChannel)
    {
        int row = (chunk * _outputs) + firstChannel;
        tile->Values = (float*)_values.Pointer + _starts[row];
        tile->Offsets = (int*)_offsets.Pointer + _starts[row];
        tile->Counts = (int*)_counts.Pointer + row;
        tile->Bias = chunk == 0 ? (float*)_bias.Pointer + firstChannel : null;
    }
}
