using System.Runtime.CompilerServices;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Conv;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>An unstructured 1x1 convolution without stride and padding: the pixels of an image form one run.</summary>
/// <remarks>
/// Loop order: tile of pixels, chunk of input channels, output channel, weight. Where the plan says so, a chunk of a tile is copied to
/// one dense piece of memory first. The last vector of a plane may reach into what lies behind it; those lanes are not stored.
/// </remarks>
internal sealed unsafe class PreparedFlatConv<TSimd, TVector> : PreparedUnstructuredConv
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
{
    private readonly TilePlan.Split _tiles;
    private readonly int _chunkChannels;
    private readonly bool _copies;
    private readonly delegate*<UnstructuredTile*, void> _bigTile;
    private readonly delegate*<UnstructuredTile*, void> _smallTile;

    public PreparedFlatConv(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
        : base(shape, epilogue, (VectorWidth)TSimd.Lanes, UnstructuredWeights.CountOf(weights))
    {
        SparseConvCost.FlatPlan plan = SparseConvCost.PlanFlat(shape, (VectorWidth)TSimd.Lanes, UnstructuredWeights.CountOf(weights));
        _tiles = plan.Tiles;
        _bigTile = UnstructuredTiles<TSimd, TVector>.Get(_tiles.Size);
        _smallTile = _tiles.Small > 0 ? UnstructuredTiles<TSimd, TVector>.Get(_tiles.Size - 1) : null;
        int groupInputs = shape.InChannels / shape.Groups;
        _chunkChannels = (groupInputs + plan.Chunks - 1) / plan.Chunks;
        int chunkChannels = _chunkChannels, tileFloats = TileFloats, plane = Pixels;
        _copies = plan.Copies || (long)shape.InChannels * plane > int.MaxValue;
        Weights = new UnstructuredWeights(shape, weights, bias, _chunkChannels, (channel, _, _) => !_copies ? channel * plane
            : ((channel / groupInputs * chunkChannels) + (channel % groupInputs % chunkChannels)) * tileFloats);
    }

    /// <inheritdoc/>
    protected override UnstructuredWeights Weights { get; }

    /// <inheritdoc/>
    protected override int Units => Shape.Batch * (_tiles.Big + _tiles.Small);

    /// <inheritdoc/>
    protected override int TileFloats => _tiles.Size * TSimd.Lanes;

    /// <inheritdoc/>
    protected override long InputBytes => _copies ? (((long)Shape.Groups * _chunkChannels * TileFloats * sizeof(float)) + 63) / 64 * 64 : 0;

    private int Pixels => Shape.OutHeight * Shape.OutWidth;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected override void RunUnits(UnstructuredTile* tile, float* input, byte* scratch, int firstChannel, int firstUnit, int endUnit)
    {
        UnstructuredTile one = *tile;
        one.OutputVectorStride = TSimd.Lanes;
        var panel = (float*)scratch;
        int tiles = _tiles.Big + _tiles.Small;
        for (int unit = firstUnit; unit < endUnit; unit++)
        {
            int image = unit / tiles, index = unit % tiles;
            bool big = index < _tiles.Big;
            int vectors = big ? _tiles.Size : _tiles.Size - 1;
            int pixel = ((index * _tiles.Size) - Math.Max(0, index - _tiles.Big)) * TSimd.Lanes;
            nint at = ((nint)image * Shape.OutChannels * tile->OutputStride) + pixel;
            float* source = input + ((nint)image * Shape.InChannels * Pixels) + pixel;
            one.Input = _copies ? panel : source;
            one.Residual = tile->Residual == null ? null : tile->Residual + at;
            int pixels = Math.Min(vectors * TSimd.Lanes, Pixels - pixel);
            bool whole = pixels == vectors * TSimd.Lanes;
            for (int chunk = 0; chunk < Weights.Chunks; chunk++)
            {
                if (_copies) CopyChunk(source, panel, chunk, vectors);
                Weights.Select(&one, chunk, firstChannel);
                one.Output = whole && chunk == Weights.Chunks - 1 ? tile->Output + at : null;
                if (big) _bigTile(&one);
                else _smallTile(&one);
            }

            if (!whole) TileStore.Run<TSimd, TVector>(&one, vectors * TSimd.Lanes, pixels, tile->Output + at);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void CopyChunk(float* source, float* panel, int chunk, int vectors)
    {
        int groupInputs = Shape.InChannels / Shape.Groups, first = chunk * _chunkChannels;
        int count = Math.Min(_chunkChannels, groupInputs - first);
        nint plane = Pixels, tileFloats = TileFloats, floats = (nint)vectors * TSimd.Lanes;
        for (int group = 0; group < Shape.Groups; group++)
        {
            float* from = source + (((group * groupInputs) + first) * plane);
            float* to = panel + ((nint)group * _chunkChannels * tileFloats);
            for (int channel = 0; channel < count; channel++, from += plane, to += tileFloats)
            {
                for (nint at = 0; at < floats; at += TSimd.Lanes) TSimd.Store(to + at, TSimd.Load(from + at));
            }
        }
    }
}
