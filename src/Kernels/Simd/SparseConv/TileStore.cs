using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>Stores finished tiles whose pixels do not lie in the output as whole vectors.</summary>
/// <remarks>
/// A row that is not a multiple of a vector ends with one that overlaps the vector before. It is finished before that is stored:
/// the residual may be the output itself.
/// </remarks>
internal static unsafe class TileStore
{
    /// <summary>Stores the first pixels of a tile as one run.</summary>
    /// <param name="tile">The tile, all its sums finished.</param>
    /// <param name="tileFloats">Floats of a tile of one channel.</param>
    /// <param name="pixels">Pixels to store.</param>
    /// <param name="output">First pixel of the first output channel.</param>
    /// <typeparam name="TSimd">Vector operations of the tile.</typeparam>
    /// <typeparam name="TVector">Vector type of the tile.</typeparam>
    public static void Run<TSimd, TVector>(UnstructuredTile* tile, int tileFloats, int pixels, float* output)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        if (pixels >= TSimd.Lanes) StoreRun<TSimd, TVector>(tile, tileFloats, pixels, output);
        else if (pixels >= 8) StoreRun<Simd256, Vector256<float>>(tile, tileFloats, pixels, output);
        else if (pixels >= 4) StoreRun<Simd128, Vector128<float>>(tile, tileFloats, pixels, output);
        else StoreRun<SimdScalar, float>(tile, tileFloats, pixels, output);
    }

    /// <summary>Stores a tile of <see cref="PreparedStripConv{TSimd,TVector}"/> whose vectors hold several segments or reach beyond the image.</summary>
    /// <param name="tile">The tile, all its sums finished.</param>
    /// <param name="grid">How pixels are dealt to lanes.</param>
    /// <param name="shape">The layer.</param>
    /// <param name="rows">Vectors of the tile.</param>
    /// <param name="firstRow">First row of the tile.</param>
    /// <param name="columns">Pixels of a segment to store, less than 16.</param>
    /// <param name="output">First pixel of the first output channel.</param>
    public static void Segments(UnstructuredTile* tile, StripGrid grid, ConvShape shape, int rows, int firstRow, int columns, float* output)
    {
        if (columns >= 8) StoreSegments<Simd256, Vector256<float>>(tile, grid, shape, rows, firstRow, columns, output);
        else if (columns >= 4) StoreSegments<Simd128, Vector128<float>>(tile, grid, shape, rows, firstRow, columns, output);
        else StoreSegments<SimdScalar, float>(tile, grid, shape, rows, firstRow, columns, output);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StoreRun<TSimd, TVector>(UnstructuredTile* tile, int tileFloats, int pixels, float* output)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        TVector low = TSimd.Broadcast(tile->Minimum), high = TSimd.Broadcast(tile->Maximum);
        float* sums = tile->Sums;
        float* residual = tile->Residual;
        for (int channel = 0; channel < tile->Channels; channel++, sums += tileFloats, output += tile->OutputStride)
        {
            StoreRow<TSimd, TVector>(sums, residual, output, pixels, low, high);
            if (residual != null) residual += tile->OutputStride;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StoreSegments<TSimd, TVector>(UnstructuredTile* tile, StripGrid grid, ConvShape shape, int rows, int firstRow, int columns, float* output)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        TVector low = TSimd.Broadcast(tile->Minimum), high = TSimd.Broadcast(tile->Maximum);
        int lanes = grid.Lanes, outWidth = shape.OutWidth;
        for (int segment = 0; segment < grid.Segments; segment++)
        {
            int inside = Math.Min(rows, shape.OutHeight - (segment * grid.Height) - firstRow);
            nint first = (nint)segment * grid.Height * outWidth;
            float* sums = tile->Sums + (segment * grid.SegmentPixels);
            for (int channel = 0; channel < tile->Channels; channel++, sums += rows * lanes, first += tile->OutputStride)
            {
                float* from = sums;
                nint at = first;
                for (int row = inside; row > 0; row--, from += lanes, at += outWidth)
                    StoreRow<TSimd, TVector>(from, tile->Residual == null ? null : tile->Residual + at, output + at, columns, low, high);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow<TSimd, TVector>(float* sums, float* residual, float* output, int pixels, TVector low, TVector high)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        int last = pixels - TSimd.Lanes;
        TVector end = Finish<TSimd, TVector>(sums, residual, last, low, high);
        for (int pixel = 0; pixel < last; pixel += TSimd.Lanes) TSimd.Store(output + pixel, Finish<TSimd, TVector>(sums, residual, pixel, low, high));
        TSimd.Store(output + last, end);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Finish<TSimd, TVector>(float* sums, float* residual, int pixel, TVector low, TVector high)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        TVector value = TSimd.Load(sums + pixel);
        if (residual != null) value = TSimd.Add(value, TSimd.Load(residual + pixel));
        return TSimd.AtMost(high, TSimd.AtLeast(low, value));
    }
}
