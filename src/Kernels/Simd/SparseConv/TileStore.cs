using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using CoInference.Kernels.Simd.Layout;

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

    /// <summary>Stores a run of pixels for each lane, which are columns of the tile: four lanes and four vectors at a time are transposed in registers.</summary>
    /// <param name="tile">The tile, all its sums finished.</param>
    /// <param name="vectors">Vectors of the tile.</param>
    /// <param name="lanes">Floats per vector, a multiple of 4.</param>
    /// <param name="output">First pixel of lane 0 of the first output channel.</param>
    /// <param name="laneOffsets">Floats from <paramref name="output"/> to the first pixel of each lane.</param>
    /// <param name="laneColumns">Pixels to store of each lane.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Lanes(UnstructuredTile* tile, int vectors, int lanes, float* output, int* laneOffsets, int* laneColumns)
    {
        Vector128<float> low = Vector128.Create(tile->Minimum), high = Vector128.Create(tile->Maximum);
        float* sums = tile->Sums;
        float* residual = tile->Residual;
        nint stride = tile->OutputStride;
        bool wide = Avx512F.IsSupported && lanes == 16;
        for (int lane = 0; lane < lanes; lane++) wide &= laneColumns[lane] == vectors;
        for (int channel = 0; channel < tile->Channels; channel++, sums += vectors * lanes, output += stride)
        {
            if (wide)
            {
                Vector512<float> wideLow = Vector512.Create(tile->Minimum), wideHigh = Vector512.Create(tile->Maximum);
                int column = 0;
                for (; column + 4 <= vectors; column += 4)
                    StoreWide(sums + (column * 16), wideLow, wideHigh, output + column, residual == null ? null : residual + column, laneOffsets, 4);
                if (column < vectors)
                    StoreWide(sums + (column * 16), wideLow, wideHigh, output + column, residual == null ? null : residual + column, laneOffsets, vectors - column);
                if (residual != null) residual += stride;
                continue;
            }

            for (int lane = 0; lane < lanes; lane += 4)
            {
                int* columns = laneColumns + lane;
                if (columns[0] != vectors || columns[1] != vectors || columns[2] != vectors || columns[3] != vectors)
                {
                    for (int i = lane; i < lane + 4; i++) StoreLane(tile, sums + i, lanes, output + laneOffsets[i], residual == null ? null : residual + laneOffsets[i], laneColumns[i]);
                    continue;
                }

                float* sum = sums + lane;
                nint at0 = laneOffsets[lane], at1 = laneOffsets[lane + 1], at2 = laneOffsets[lane + 2], at3 = laneOffsets[lane + 3];
                for (int column = 0; column < vectors; column += 4, sum += 4 * lanes)
                {
                    Vector128<float> pixels0 = Vector128.Load(sum);
                    Vector128<float> pixels1 = Vector128.Load(sum + lanes);
                    Vector128<float> pixels2 = Vector128.Load(sum + (2 * lanes));
                    Vector128<float> pixels3 = Vector128.Load(sum + (3 * lanes));
                    TileTranspose.InRegisters(ref pixels0, ref pixels1, ref pixels2, ref pixels3);
                    int count = Math.Min(vectors - column, 4);
                    if (residual != null)
                    {
                        pixels0 += LoadFirst(residual + at0 + column, count);
                        pixels1 += LoadFirst(residual + at1 + column, count);
                        pixels2 += LoadFirst(residual + at2 + column, count);
                        pixels3 += LoadFirst(residual + at3 + column, count);
                    }

                    StoreFirst(output + at0 + column, Vector128.MinNative(high, Vector128.MaxNative(low, pixels0)), count);
                    StoreFirst(output + at1 + column, Vector128.MinNative(high, Vector128.MaxNative(low, pixels1)), count);
                    StoreFirst(output + at2 + column, Vector128.MinNative(high, Vector128.MaxNative(low, pixels2)), count);
                    StoreFirst(output + at3 + column, Vector128.MinNative(high, Vector128.MaxNative(low, pixels3)), count);
                }
            }

            if (residual != null) residual += stride;
        }
    }

    // Up to four pixels of all sixteen lanes: each quarter of a register is transposed like a 4 x 4 tile.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreWide(float* sums, Vector512<float> low, Vector512<float> high, float* output, float* residual, int* laneOffsets, int count)
    {
        Vector512<float> pixels0 = Vector512.Load(sums);
        Vector512<float> pixels1 = Vector512.Load(sums + 16);
        Vector512<float> pixels2 = Vector512.Load(sums + 32);
        Vector512<float> pixels3 = Vector512.Load(sums + 48);
        TileTranspose.InQuarters(ref pixels0, ref pixels1, ref pixels2, ref pixels3);
        StoreQuarters(pixels0, low, high, output, residual, laneOffsets, count);
        StoreQuarters(pixels1, low, high, output, residual, laneOffsets + 1, count);
        StoreQuarters(pixels2, low, high, output, residual, laneOffsets + 2, count);
        StoreQuarters(pixels3, low, high, output, residual, laneOffsets + 3, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreQuarters(Vector512<float> pixels, Vector512<float> low, Vector512<float> high, float* output, float* residual, int* laneOffsets, int count)
    {
        if (residual != null)
        {
            pixels += Vector512.Create(
                Vector256.Create(LoadFirst(residual + laneOffsets[0], count), LoadFirst(residual + laneOffsets[4], count)),
                Vector256.Create(LoadFirst(residual + laneOffsets[8], count), LoadFirst(residual + laneOffsets[12], count)));
        }

        pixels = Vector512.MinNative(high, Vector512.MaxNative(low, pixels));
        StoreFirst(output + laneOffsets[0], pixels.GetLower().GetLower(), count);
        StoreFirst(output + laneOffsets[4], pixels.GetLower().GetUpper(), count);
        StoreFirst(output + laneOffsets[8], pixels.GetUpper().GetLower(), count);
        StoreFirst(output + laneOffsets[12], pixels.GetUpper().GetUpper(), count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreLane(UnstructuredTile* tile, float* sums, int lanes, float* output, float* residual, int columns)
    {
        for (int column = 0; column < columns; column++, sums += lanes)
            output[column] = Clamp(tile, residual == null ? *sums : *sums + residual[column]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Clamp(UnstructuredTile* tile, float value)
    {
        value = value < tile->Minimum ? tile->Minimum : value;
        return value > tile->Maximum ? tile->Maximum : value;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> LoadFirst(float* source, int count) => count switch
    {
        4 => Vector128.Load(source),
        3 => Vector128.Create(Vector64.Load(source), Vector64.CreateScalar(source[2])),
        2 => Vector128.Create(Vector64.Load(source), Vector64<float>.Zero),
        _ => Vector128.CreateScalar(*source),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreFirst(float* target, Vector128<float> value, int count)
    {
        switch (count)
        {
            case 4:
                value.Store(target);
                break;
            case 1:
                *target = value.ToScalar();
                break;
            default:
                value.GetLower().Store(target);
                if (count == 3) target[2] = value.GetElement(2);
                break;
        }
    }
}
