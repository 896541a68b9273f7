using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CoInference.Kernels.Simd.Layout;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>Stores the pixels of a tile that a micro-kernel has left in <see cref="UnstructuredTile.Spill"/>.</summary>
internal static unsafe class SpilledPixels
{
    /// <summary>Stores the first <see cref="UnstructuredTile.Pixels"/> pixels as one run.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void StoreRun(UnstructuredTile* tile, float* output, float* residual)
    {
        float* sums = tile->Spill;
        for (int pixel = 0; pixel < tile->Pixels; pixel++)
            output[pixel] = Clamp(tile, residual == null ? sums[pixel] : sums[pixel] + residual[pixel]);
    }

    /// <summary>Stores a run of pixels for each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void StorePatches(UnstructuredTile* tile, int vectors, int lanes, float* output, float* residual)
    {
        Vector128<float> low = Vector128.Create(tile->Minimum), high = Vector128.Create(tile->Maximum);
        for (int lane = 0; lane < lanes; lane += 4)
        {
            int* columns = tile->LaneColumns + lane;
            if (columns[0] != vectors || columns[1] != vectors || columns[2] != vectors || columns[3] != vectors)
            {
                for (int i = lane; i < lane + 4; i++) StoreLane(tile, i, lanes, output, residual);
                continue;
            }

            float* sums = tile->Spill + lane;
            nint at0 = tile->Lanes[lane], at1 = tile->Lanes[lane + 1], at2 = tile->Lanes[lane + 2], at3 = tile->Lanes[lane + 3];
            for (int column = 0; column < vectors; column += 4, sums += 4 * lanes)
            {
                Vector128<float> pixels0 = Vector128.Load(sums);
                Vector128<float> pixels1 = Vector128.Load(sums + lanes);
                Vector128<float> pixels2 = Vector128.Load(sums + (2 * lanes));
                Vector128<float> pixels3 = Vector128.Load(sums + (3 * lanes));
                Transpose4.InRegisters(ref pixels0, ref pixels1, ref pixels2, ref pixels3);
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
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreLane(UnstructuredTile* tile, int lane, int lanes, float* output, float* residual)
    {
        nint at = tile->Lanes[lane];
        float* sum = tile->Spill + lane;
        for (int column = 0; column < tile->LaneColumns[lane]; column++, at++, sum += lanes)
            output[at] = Clamp(tile, residual == null ? *sum : *sum + residual[at]);
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
        if (count == 4)
        {
            value.Store(target);
            return;
        }

        if (count == 1)
        {
            *target = value.ToScalar();
            return;
        }

        *(double*)target = value.AsDouble().ToScalar();
        if (count == 3) target[2] = value.GetElement(2);
    }
}
