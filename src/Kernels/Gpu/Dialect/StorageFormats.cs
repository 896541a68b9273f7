namespace CoInference.Kernels.Gpu.Dialect;

/// <summary>IEEE 754 binary16 as a storage format: arithmetic is in float.</summary>
internal static class HalfFloat
{
    /// <summary>Loads and widens, exactly.</summary>
    /// <param name="view">Bit patterns.</param>
    /// <param name="index">Which.</param>
    public static float Load(ArrayView<ushort> view, int index) => Widen(view[index]);

    /// <summary>Rounds to the nearest value, ties to even, and stores.</summary>
    /// <param name="view">Bit patterns.</param>
    /// <param name="index">Which.</param>
    /// <param name="value">The number.</param>
    public static void Store(ArrayView<ushort> view, int index, float value) => view[index] = Round(value);

    /// <summary>Widens, exactly.</summary>
    [TargetCode(KernelLanguage.Cuda, """
        float value;
        asm("{ cvt.f32.f16 %0, %1; }" : "=f"(value) : "h"(pattern));
        return value;
        """, Condition = "defined(__CUDA_ARCH__)")]
    public static float Widen(ushort pattern)
    {
        uint bits = pattern;
        uint sign = (bits & 0x8000u) << 16;
        uint magnitude = bits & 0x7FFFu;
        if (magnitude >= 0x7C00u) return BitConverter.UInt32BitsToSingle(sign | 0x7F800000u | ((magnitude & 0x3FFu) << 13));
        // 2^112 puts the exponent right, for subnormal numbers too.
        float value = BitConverter.UInt32BitsToSingle(magnitude << 13) * 5.192296858534828e33f;
        return BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) | sign);
    }

    /// <summary>Rounds to the nearest value, ties to even.</summary>
    [TargetCode(KernelLanguage.Cuda, """
        ushort bits;
        asm("{ cvt.rn.f16.f32 %0, %1; }" : "=h"(bits) : "f"(value));
        return bits;
        """, Condition = "defined(__CUDA_ARCH__)")]
    public static ushort Round(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint sign = (bits >> 16) & 0x8000u;
        uint magnitude = bits & 0x7FFFFFFFu;
        uint result;
        if (magnitude > 0x7F800000u)
        {
            result = 0x7E00u;
        }
        else if (magnitude >= 0x477FF000u)
        {
            result = 0x7C00u;
        }
        else if (magnitude < 0x38800000u)
        {
            // Adding one half leaves the bits of a subnormal number at the low end, rounded.
            result = BitConverter.SingleToUInt32Bits(BitConverter.UInt32BitsToSingle(magnitude) + 0.5f) - 0x3F000000u;
        }
        else
        {
            uint odd = (magnitude >> 13) & 1u;
            result = (magnitude - 0x38000000u + 0xFFFu + odd) >> 13;
        }

        return (ushort)(sign | result);
    }
}

/// <summary>The upper half of a float as a storage format: arithmetic is in float.</summary>
internal static class BrainFloat
{
    /// <summary>Widens, exactly.</summary>
    public static float Widen(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>Rounds to the nearest value, ties to even; NaN stays NaN.</summary>
    public static ushort Round(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return (ushort)((bits >> 16) | 0x40u);
        return (ushort)((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
    }
}

/// <summary>Products of integers that are packed four to a word.</summary>
internal static class PackedDot
{
    /// <summary>The sum of the products of four pairs of signed bytes and a third number, exactly as 32-bit integers add.</summary>
    [TargetCode(KernelLanguage.Cuda, "return __dp4a(first, second, sum);", Condition = "__CUDA_ARCH__ >= 610")]
    public static int Int8(int first, int second, int sum)
    {
        for (int shift = 0; shift < 32; shift += 8) sum += (int)(sbyte)(first >> shift) * (int)(sbyte)(second >> shift);
        return sum;
    }

    /// <summary>As <see cref="Int8"/> with unsigned bytes as first factors.</summary>
    [TargetCode(KernelLanguage.Cuda, """
        int result;
        asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(result) : "r"(first), "r"(second), "r"(sum));
        return result;
        """, Condition = "__CUDA_ARCH__ >= 610")]
    public static int UInt8(int first, int second, int sum)
    {
        for (int shift = 0; shift < 32; shift += 8) sum += (int)(byte)(first >> shift) * (int)(sbyte)(second >> shift);
        return sum;
    }
}
