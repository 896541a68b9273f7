using System.Runtime.CompilerServices;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Conv;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>An unstructured convolution of any kernel, stride, padding and dilation over pixels dealt by <see cref="StripPanel"/>.</summary>
/// <remarks>Loop order: rows of a tile, strip, chunk of input channels, output channel, weight.</remarks>
internal sealed unsafe class PreparedStripConv<TSimd, TVector> : PreparedUnstructuredConv
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
{
    private readonly StripGrid _grid;
    private readonly StripPanel _panel;
    private readonly TilePlan.Split _tiles;
    private readonly delegate*<UnstructuredTile*, void> _bigTile;
    private readonly delegate*<UnstructuredTile*, void> _smallTile;

    public PreparedStripConv(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
        : base(shape, epilogue, (VectorWidth)TSimd.Lanes, UnstructuredWeights.CountOf(weights))
    {
        int count = UnstructuredWeights.CountOf(weights);
        _grid = StripGrid.Choose(shape, TSimd.Lanes, count);
        _tiles = SparseConvCost.StripTiles(_grid);
        _bigTile = UnstructuredTiles<TSimd, TVector>.Get(_tiles.Size);
        _smallTile = _tiles.Small > 0 ? UnstructuredTiles<TSimd, TVector>.Get(_tiles.Size - 1) : null;
        int chunkChannels = UnstructuredWeights.ChunkChannels(shape, count, StripPanel.TileBytes(shape, _grid, _tiles.Size));
        _panel = new StripPanel(shape, _grid, _tiles.Size, chunkChannels);
        Weights = new UnstructuredWeights(shape, weights, bias, chunkChannels, _panel.TapOffset);
    }

    /// <inheritdoc/>
    protected override UnstructuredWeights Weights { get; }

    /// <inheritdoc/>
    protected override int Units => Shape.Batch * (_tiles.Big + _tiles.Small) * _grid.Strips;

    /// <inheritdoc/>
    protected override int TileFloats => _tiles.Size * TSimd.Lanes;

    /// <inheritdoc/>
    protected override long InputBytes => _panel.Bytes;

    /// <summary>Whether the offsets of a panel of one channel of each group fit 31 bits.</summary>
    public static bool Addresses(ConvShape shape)
    {
        long rows = Math.Min(shape.KernelHeight, shape.StrideY) * (SparseConvCost.MostTileVectors + ((shape.KernelHeight - 1L) * shape.DilationY / shape.StrideY));
        return shape.Groups * ((shape.KernelWidth * rows * TSimd.Lanes) + 32) < int.MaxValue / 2;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected override void RunUnits(UnstructuredTile* tile, float* input, byte* scratch, int firstChannel, int firstUnit, int endUnit)
    {
        UnstructuredTile one = *tile;
        one.Input = (float*)scratch;
        one.OutputVectorStride = Shape.OutWidth;
        int tilesPerStrip = _tiles.Big + _tiles.Small, lastChunk = Weights.Chunks - 1;
        nint inputs = (nint)Shape.InChannels * Shape.InHeight * Shape.InWidth;
        for (int unit = firstUnit; unit < endUnit; unit++)
        {
            int strip = unit % _grid.Strips, index = unit / _grid.Strips % tilesPerStrip, image = unit / _grid.Strips / tilesPerStrip;
            bool isBig = index < _tiles.Big;
            int rows = isBig ? _tiles.Size : _tiles.Size - 1;
            int firstRow = (index * _tiles.Size) - Math.Max(0, index - _tiles.Big);
            int columns = _grid.ColumnsOf(strip, Shape);
            nint at = ((nint)image * Shape.OutChannels * tile->OutputStride) + ((nint)firstRow * Shape.OutWidth) + (strip * _grid.SegmentPixels);
            bool isDirect = _grid.Segments == 1 && columns == _grid.SegmentPixels;
            one.Residual = tile->Residual == null ? null : tile->Residual + at;
            _panel.Plan(strip, firstRow, rows, scratch);
            for (int chunk = 0; chunk <= lastChunk; chunk++)
            {
                _panel.Deal(input + (image * inputs), chunk, scratch);
                one.Output = isDirect && chunk == lastChunk ? tile->Output + at : null;
                Weights.Select(&one, chunk, firstChannel);
                if (isBig) _bigTile(&one);
                else _smallTile(&one);
            }

            if (!isDirect) TileStore.Segments(&one, _grid, Shape, rows, firstRow, columns, tile->Output + at);
        }
    }
}
