using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Kernels.Simd.Codec;

/// <summary>
/// Affine quantization of float values to symbols 0 to levels - 1 and back.
/// </summary>
/// <remarks>
/// The symbol is defined to the bit, so that every instruction set gives the same one: t = x * inverse + offset with both
/// operations rounded to float32 (never fused), clamped to [0, levels - 1] (NaN becomes 0), then rounded half to even by
/// adding 2^23, whose unit in the last place is 1. The value back is symbol * step + minimum, again in two rounded steps.
/// </remarks>
public static unsafe class AffineQuantizer
{
    private const float TwoTo23 = 8388608f;

    /// <summary>Quantizes <paramref name="count"/> values.</summary>
    /// <param name="source">Values.</param>
    /// <param name="symbols">Receives one byte per value.</param>
    /// <param name="count">Number of values.</param>
    /// <param name="inverse">Reciprocal of the step; 0 maps everything to <paramref name="offset"/>.</param>
    /// <param name="offset">Symbol of value 0, not rounded.</param>
    /// <param name="levels">Number of symbols, 2 to 256.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Quantize(float* source, byte* symbols, int count, float inverse, float offset, int levels)
    {
        float top = levels - 1;
        int i = 0;
        if (Avx512BW.IsSupported)
        {
            for (; i <= count - 64; i += 64) Symbols64(source + i, inverse, offset, top).Store(symbols + i);
            for (; i <= count - 16; i += 16) Avx512F.ConvertToVector128Byte(Rounded(source + i, inverse, offset, top)).Store(symbols + i);
        }
        else if (Vector256.IsHardwareAccelerated)
        {
            for (; i <= count - 32; i += 32)
            {
                Vector256<ushort> low = Vector256.Narrow(Symbols256(source + i, inverse, offset, top), Symbols256(source + i + 8, inverse, offset, top));
                Vector256<ushort> high = Vector256.Narrow(Symbols256(source + i + 16, inverse, offset, top), Symbols256(source + i + 24, inverse, offset, top));
                Vector256.Narrow(low, high).Store(symbols + i);
            }
        }
        else if (Vector128.IsHardwareAccelerated)
        {
            for (; i <= count - 16; i += 16)
            {
                Vector128<ushort> low = Vector128.Narrow(Symbols128(source + i, inverse, offset, top), Symbols128(source + i + 4, inverse, offset, top));
                Vector128<ushort> high = Vector128.Narrow(Symbols128(source + i + 8, inverse, offset, top), Symbols128(source + i + 12, inverse, offset, top));
                Vector128.Narrow(low, high).Store(symbols + i);
            }
        }

        for (; i < count; i++) symbols[i] = Symbol(source[i], inverse, offset, top);
    }

    /// <summary>Restores <paramref name="count"/> values from their symbols.</summary>
    /// <param name="symbols">Symbols.</param>
    /// <param name="target">Receives one value per symbol.</param>
    /// <param name="count">Number of symbols.</param>
    /// <param name="step">Distance between the values of neighbouring symbols.</param>
    /// <param name="minimum">Value of symbol 0.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Dequantize(byte* symbols, float* target, int count, float step, float minimum)
    {
        int i = 0;
        if (Avx512F.IsSupported)
        {
            Vector512<float> scale = Vector512.Create(step), start = Vector512.Create(minimum);
            for (; i <= count - 16; i += 16)
            {
                Vector512<float> level = Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load(symbols + i)));
                Vector512.Add(Vector512.Multiply(level, scale), start).Store(target + i);
            }
        }
        else if (Avx2.IsSupported)
        {
            Vector256<float> scale = Vector256.Create(step), start = Vector256.Create(minimum);
            for (; i <= count - 8; i += 8)
            {
                Vector256<float> level = Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(symbols + i));
                Vector256.Add(Vector256.Multiply(level, scale), start).Store(target + i);
            }
        }
        else if (Vector128.IsHardwareAccelerated)
        {
            for (; i <= count - 16; i += 16)
            {
                (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(Vector128.Load(symbols + i));
                Restore128(Vector128.WidenLower(low), target + i, step, minimum);
                Restore128(Vector128.WidenUpper(low), target + i + 4, step, minimum);
                Restore128(Vector128.WidenLower(high), target + i + 8, step, minimum);
                Restore128(Vector128.WidenUpper(high), target + i + 12, step, minimum);
            }
        }

        for (; i < count; i++)
        {
            float scaled = symbols[i] * step;
            target[i] = scaled + minimum;
        }
    }

    /// <summary>The symbol of one value: the definition that the vector code repeats.</summary>
    /// <param name="value">The value.</param>
    /// <param name="inverse">Reciprocal of the step.</param>
    /// <param name="offset">Symbol of value 0, not rounded.</param>
    /// <param name="top">Highest symbol.</param>
    public static byte Symbol(float value, float inverse, float offset, float top)
    {
        float scaled = value * inverse;
        float t = scaled + offset;
        t = t > 0 ? t : 0;
        t = t < top ? t : top;
        return (byte)BitConverter.SingleToUInt32Bits(t + TwoTo23);
    }

    /// <summary>The symbols of 64 values, in their order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<byte> Symbols64(float* source, float inverse, float offset, float top)
    {
        Vector512<int> order = Vector512.Create(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        return Avx512F.PermuteVar16x32(InterleavedSymbols64(source, inverse, offset, top).AsInt32(), order).AsByte();
    }

    /// <summary>The symbols of 64 values in groups of 4: groups 0, 4, 8, 12, then 1, 5, 9, 13 and so on.</summary>
    /// <remarks>Narrowing works within 128 bits, hence the order; it saturates below at 0.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<byte> InterleavedSymbols64(float* source, float inverse, float offset, float top)
    {
        Vector512<short> low = Avx512BW.PackSignedSaturate(Unbounded(source, inverse, offset, top), Unbounded(source + 16, inverse, offset, top));
        Vector512<short> high = Avx512BW.PackSignedSaturate(Unbounded(source + 32, inverse, offset, top), Unbounded(source + 48, inverse, offset, top));
        return Avx512BW.PackUnsignedSaturate(low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Rounded(float* source, float inverse, float offset, float top) =>
        Vector512.Max(Unbounded(source, inverse, offset, top), Vector512<int>.Zero).AsUInt32();

    // The conversion rounds to even, as adding 2^23 does. The minimum keeps a NaN, its second operand, which converts to the
    // least integer.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Unbounded(float* source, float inverse, float offset, float top) =>
        Avx512F.ConvertToVector512Int32(Avx512F.Min(
            Vector512.Create(top), Vector512.Add(Vector512.Multiply(Vector512.Load(source), Vector512.Create(inverse)), Vector512.Create(offset))));

    // The results keep the exponent of 2^23 above the symbol; narrowing drops it. Comparisons are false for NaN.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Symbols256(float* source, float inverse, float offset, float top)
    {
        Vector256<float> t = Vector256.Add(Vector256.Multiply(Vector256.Load(source), Vector256.Create(inverse)), Vector256.Create(offset));
        Vector256<float> ceiling = Vector256.Create(top);
        t = Vector256.ConditionalSelect(Vector256.GreaterThan(t, Vector256<float>.Zero), t, Vector256<float>.Zero);
        t = Vector256.ConditionalSelect(Vector256.LessThan(t, ceiling), t, ceiling);
        return (t + Vector256.Create(TwoTo23)).AsUInt32() & Vector256.Create(0xFFu);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> Symbols128(float* source, float inverse, float offset, float top)
    {
        Vector128<float> t = Vector128.Add(Vector128.Multiply(Vector128.Load(source), Vector128.Create(inverse)), Vector128.Create(offset));
        Vector128<float> ceiling = Vector128.Create(top);
        t = Vector128.ConditionalSelect(Vector128.GreaterThan(t, Vector128<float>.Zero), t, Vector128<float>.Zero);
        t = Vector128.ConditionalSelect(Vector128.LessThan(t, ceiling), t, ceiling);
        return (t + Vector128.Create(TwoTo23)).AsUInt32() & Vector128.Create(0xFFu);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Restore128(Vector128<uint> levels, float* target, float step, float minimum) =>
        Vector128.Add(Vector128.Multiply(Vector128.ConvertToSingle(levels.AsInt32()), Vector128.Create(step)), Vector128.Create(minimum)).Store(target);
}
