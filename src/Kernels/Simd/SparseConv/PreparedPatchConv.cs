using System.Runtime.CompilerServices;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Conv;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>An unstructured convolution of any kernel, stride, padding and dilation over pixels dealt by <see cref="PatchBand"/>.</summary>
/// <remarks>Loop order: band of patch rows, row, tile of neighbouring vectors, chunk of input channels, output channel, weight.</remarks>
internal sealed unsafe class PreparedPatchConv<TSimd, TVector> : PreparedUnstructuredConv
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
{
    // A band and what its tiles write should stay in the second-level cache.
    private const long BandBytes = 384 * 1024;

    private readonly LanePatches _patches;
    private readonly PatchBand _band;
    private readonly TilePlan.Split _tiles;
    private readonly AlignedBuffer _lanes;
    private readonly delegate*<UnstructuredTile*, void> _bigTile;
    private readonly delegate*<UnstructuredTile*, void> _smallTile;

    public PreparedPatchConv(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
        : base(shape, epilogue, (VectorWidth)TSimd.Lanes, UnstructuredWeights.CountOf(weights))
    {
        int count = UnstructuredWeights.CountOf(weights);
        _patches = LanePatches.Choose(shape, TSimd.Lanes, count);
        var rows = (int)Math.Clamp(BandBytes / (shape.InChannels * PatchBand.RowBytes(shape, _patches)), 1, _patches.Height);
        int bands = (_patches.Height + rows - 1) / rows;
        _band = new PatchBand(shape, _patches, (_patches.Height + bands - 1) / bands);
        _tiles = SparseConvCost.PatchTiles(_patches.Width);
        _bigTile = UnstructuredTiles<TSimd, TVector>.Get(_tiles.Size);
        _smallTile = _tiles.Small > 0 ? UnstructuredTiles<TSimd, TVector>.Get(_tiles.Size - 1) : null;
        int chunkChannels = UnstructuredWeights.ChunkChannels(shape, count, (double)_band.TileVectors(_tiles.Size) * TSimd.Lanes * sizeof(float));
        Weights = new UnstructuredWeights(shape, weights, bias, chunkChannels, _band.TapOffset);

        _lanes = new AlignedBuffer((long)TSimd.Lanes * sizeof(int));
        for (int lane = 0; lane < TSimd.Lanes; lane++)
            ((int*)_lanes.Pointer)[lane] = (lane / _patches.GridColumns * _patches.Height * shape.OutWidth) + (lane % _patches.GridColumns * _patches.Width);
    }

    /// <inheritdoc/>
    protected override UnstructuredWeights Weights { get; }

    /// <inheritdoc/>
    protected override int Units => Shape.Batch * _patches.Height;

    /// <inheritdoc/>
    protected override int TileFloats => _tiles.Size * TSimd.Lanes;

    /// <inheritdoc/>
    protected override long InputBytes => _band.ScratchBytes;

    /// <summary>Whether the offsets of a band of one row fit 31 bits.</summary>
    public static bool Addresses(ConvShape shape)
    {
        long rows = ((shape.KernelHeight - 1L) * shape.DilationY) + shape.StrideY;
        long columns = ((shape.OutWidth - 1L) * shape.StrideX) + ((shape.KernelWidth - 1L) * shape.DilationX) + 8;
        return shape.InChannels * ((rows * columns * TSimd.Lanes) + 32) < int.MaxValue / 2;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected override void RunUnits(UnstructuredTile* tile, float* input, byte* scratch, int firstChannel, int firstUnit, int endUnit)
    {
        UnstructuredTile one = *tile;
        one.Output = null;
        int endRow;
        for (int unit = firstUnit; unit < endUnit; unit += endRow - (unit % _patches.Height))
        {
            int image = unit / _patches.Height;
            int firstRow = unit % _patches.Height;
            endRow = Math.Min(firstRow + Math.Min(_band.Rows, endUnit - unit), _patches.Height);
            _band.Deal(input, image, firstRow, endRow - firstRow, scratch);
            for (int row = firstRow; row < endRow; row++)
            {
                nint at = ((nint)image * Shape.OutChannels * tile->OutputStride) + ((nint)row * Shape.OutWidth);
                one.Input = (float*)scratch + ((nint)(row - firstRow) * _band.RowVectors * TSimd.Lanes);
                for (int index = 0; index < _tiles.Big + _tiles.Small; index++)
                {
                    int vectors = index < _tiles.Big ? _tiles.Size : _tiles.Size - 1;
                    int column = (index * _tiles.Size) - Math.Max(0, index - _tiles.Big);
                    one.Residual = tile->Residual == null ? null : tile->Residual + at + column;
                    for (int chunk = 0; chunk < Weights.Chunks; chunk++)
                    {
                        Weights.Select(&one, chunk, firstChannel);
                        if (index < _tiles.Big) _bigTile(&one);
                        else _smallTile(&one);
                    }

                    Store(&one, row, column, vectors, tile->Output + at + column);
                    one.Input += (nint)vectors * TSimd.Lanes;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Store(UnstructuredTile* tile, int row, int column, int vectors, float* output)
    {
        // A single lane has one patch, the whole image.
        if (TSimd.Lanes == 1)
        {
            TileStore.Run(tile, vectors, vectors, output);
            return;
        }

        int* laneColumns = stackalloc int[TSimd.Lanes];
        for (int lane = 0; lane < TSimd.Lanes; lane++)
        {
            bool inside = (lane / _patches.GridColumns * _patches.Height) + row < Shape.OutHeight;
            laneColumns[lane] = inside ? Math.Clamp(Shape.OutWidth - (lane % _patches.GridColumns * _patches.Width) - column, 0, vectors) : 0;
        }

        TileStore.Lanes(tile, vectors, TSimd.Lanes, output, (int*)_lanes.Pointer, laneColumns);
    }
}
