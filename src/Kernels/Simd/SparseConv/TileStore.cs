using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>Stores finished tiles whose pixels do not lie in the output as whole vectors.</summary>
internal static unsafe class TileStore
{
    /// <summary>Stores the first pixels of a tile as one run.</summary>
    /// <param name="tile">The tile, all its sums finished.</param>
    /// <param name="tileFloats">Floats of a tile of one channel.</param>
    /// <param name="pixels">Pixels to store.</param>
    /// <param name="output">First pixel of the first output channel.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(UnstructuredTile* tile, int tileFloats, int pixels, float* output)
    {
        float* sums = tile->Sums;
        float* residual = tile->Residual;
        Vector128<float> low = Vector128.Create(tile->Minimum), high = Vector128.Create(tile->Maximum);
        for (int channel = 0; channel < tile->Channels; channel++, sums += tileFloats, output += tile->OutputStride)
        {
            int pixel = 0;
            for (; Vector128.IsHardwareAccelerated && pixel + 4 <= pixels; pixel += 4)
            {
                Vector128<float> four = Vector128.Load(sums + pixel);
                if (residual != null) four += Vector128.Load(residual + pixel);
                Vector128.MinNative(high, Vector128.MaxNative(low, four)).Store(output + pixel);
            }

            for (; pixel < pixels; pixel++)
                output[pixel] = Clamp(tile, residual == null ? sums[pixel] : sums[pixel] + residual[pixel]);
            if (residual != null) residual += tile->OutputStride;
        }
    }

    /// <summary>Stores a tile of <see cref="PreparedStripConv{TSimd,TVector}"/> whose vectors hold several segments or reach beyond the image.</summary>
    /// <param name="tile">The tile, all its sums finished.</param>
    /// <param name="grid">How pixels are dealt to lanes.</param>
    /// <param name="shape">The layer.</param>
    /// <param name="rows">Vectors of the tile.</param>
    /// <param name="firstRow">First row of the tile.</param>
    /// <param name="columns">Pixels of a segment to store.</param>
    /// <param name="output">First pixel of the first output channel.</param>
    public static void Segments(UnstructuredTile* tile, StripGrid grid, ConvShape shape, int rows, int firstRow, int columns, float* output)
    {
        if (columns == 8) Segments<Simd256, Vector256<float>>(tile, grid, shape, rows, firstRow, columns, output);
        else Segments<Simd128, Vector128<float>>(tile, grid, shape, rows, firstRow, columns, output);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Segments<TSimd, TVector>(UnstructuredTile* tile, StripGrid grid, ConvShape shape, int rows, int firstRow, int columns, float* output)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
    {
        TVector low = TSimd.Broadcast(tile->Minimum), high = TSimd.Broadcast(tile->Maximum);
        float* sums = tile->Sums;
        float* residual = tile->Residual;
        int lanes = grid.Lanes, segments = grid.Segments, segmentPixels = grid.SegmentPixels, height = grid.Height;
        int outHeight = shape.OutHeight, outWidth = shape.OutWidth;
        for (int channel = 0; channel < tile->Channels; channel++, sums += rows * lanes, output += tile->OutputStride)
        {
            for (int segment = 0; segment < segments; segment++)
            {
                int inside = Math.Min(rows, outHeight - (segment * height) - firstRow);
                float* from = sums + (segment * segmentPixels);
                nint at = (nint)segment * height * outWidth;
                for (int row = 0; row < inside; row++, from += lanes, at += outWidth)
                {
                    int pixel = 0;
                    for (; pixel + TSimd.Lanes <= columns; pixel += TSimd.Lanes)
                    {
                        TVector value = TSimd.Load(from + pixel);
                        if (residual != null) value = TSimd.Add(value, TSimd.Load(residual + at + pixel));
                        TSimd.Store(output + at + pixel, TSimd.AtMost(high, TSimd.AtLeast(low, value)));
                    }

                    for (; pixel < columns; pixel++)
                        output[at + pixel] = Clamp(tile, residual == null ? from[pixel] : from[pixel] + residual[at + pixel]);
                }
            }

            if (residual != null) residual += tile->OutputStride;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Clamp(UnstructuredTile* tile, float value)
    {
        value = value < tile->Minimum ? tile->Minimum : value;
        return value > tile->Maximum ? tile->Maximum : value;
    }
}
