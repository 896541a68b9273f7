using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>Conversions between floats and 8-bit integers, rounding to even as ONNX defines them.</summary>
public static unsafe class ByteQuantizer
{
    /// <summary>Scale and zero point of unsigned bytes for the range of the values, widened to include 0.</summary>
    public static (float Scale, byte ZeroPoint) Range(ReadOnlySpan<float> values)
    {
        (float low, float high) = Extremes(values);
        float scale = (high - low) / 255;
        byte zeroPoint = scale == 0 ? (byte)0 : byte.CreateSaturating(MathF.Round(-low / scale, MidpointRounding.ToEven));
        return (scale, zeroPoint);
    }

    /// <summary>Writes round(x / scale) + zero point, saturated, as bytes; signed ones are stored by their bits.</summary>
    /// <param name="source">Values.</param>
    /// <param name="scale">Scale; 0 gives the zero point everywhere.</param>
    /// <param name="zeroPoint">Zero point.</param>
    /// <param name="isSigned">Whether the range is -128 to 127, else 0 to 255.</param>
    /// <param name="target">As long as the source.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Quantize(ReadOnlySpan<float> source, float scale, int zeroPoint, bool isSigned, Span<byte> target)
    {
        if (source.Length != target.Length) throw new ArgumentException($"{source.Length} values cannot be written to {target.Length} places.", nameof(target));
        if (scale == 0)
        {
            target.Fill((byte)zeroPoint);
            return;
        }

        var range = new ByteRange(zeroPoint, isSigned);
        Vector256<float> divisor = Vector256.Create(scale);
        int i = 0;
        fixed (float* values = source)
        fixed (byte* bytes = target)
        {
            for (; i <= source.Length - ByteRange.Group; i += ByteRange.Group)
            {
                range.Store(
                    Vector256.Load(values + i) / divisor, Vector256.Load(values + i + 8) / divisor,
                    Vector256.Load(values + i + 16) / divisor, Vector256.Load(values + i + 24) / divisor, bytes + i);
            }
        }

        for (; i < source.Length; i++) target[i] = range.Round(source[i] / scale);
    }

    /// <summary>Writes (byte - zero point) x scale.</summary>
    /// <param name="source">Bytes; signed ones by their bits.</param>
    /// <param name="isSigned">Whether they mean -128 to 127, else 0 to 255.</param>
    /// <param name="zeroPoint">Zero point.</param>
    /// <param name="scale">Scale.</param>
    /// <param name="target">As long as the source.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Dequantize(ReadOnlySpan<byte> source, bool isSigned, int zeroPoint, float scale, Span<float> target)
    {
        if (source.Length != target.Length) throw new ArgumentException($"{source.Length} values cannot be written to {target.Length} places.", nameof(target));
        Vector256<int> zero = Vector256.Create(zeroPoint);
        Vector256<float> factor = Vector256.Create(scale);
        int i = 0;
        fixed (byte* bytes = source)
        fixed (float* values = target)
        {
            for (; i <= source.Length - 16; i += 16)
            {
                Vector128<byte> group = Vector128.Load(bytes + i);
                Vector256<short> wide = isSigned ? Widen(group.AsSByte()) : Widen(group).AsInt16();
                (Vector256<int> low, Vector256<int> high) = Vector256.Widen(wide);
                (Vector256.ConvertToSingle(low - zero) * factor).Store(values + i);
                (Vector256.ConvertToSingle(high - zero) * factor).Store(values + i + 8);
            }
        }

        for (; i < source.Length; i++) target[i] = ((isSigned ? (sbyte)source[i] : source[i]) - zeroPoint) * scale;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Widen(Vector128<sbyte> group)
    {
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(group);
        return Vector256.Create(low, high);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Widen(Vector128<byte> group)
    {
        (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(group);
        return Vector256.Create(low, high);
    }

    /// <summary>Least and greatest value, 0 among them. One pass: reading the values is what takes the time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (float Low, float High) Extremes(ReadOnlySpan<float> values)
    {
        int step = Vector256<float>.Count, i = 0;
        Vector256<float> low0 = Vector256<float>.Zero, low1 = low0, high0 = low0, high1 = low0;
        ref float first = ref MemoryMarshal.GetReference(values);
        for (; i <= values.Length - (2 * step); i += 2 * step)
        {
            Vector256<float> a = Vector256.LoadUnsafe(ref first, (nuint)i), b = Vector256.LoadUnsafe(ref first, (nuint)(i + step));
            low0 = Vector256.MinNative(a, low0);
            high0 = Vector256.MaxNative(a, high0);
            low1 = Vector256.MinNative(b, low1);
            high1 = Vector256.MaxNative(b, high1);
        }

        low0 = Vector256.MinNative(low0, low1);
        high0 = Vector256.MaxNative(high0, high1);
        float low = 0, high = 0;
        for (int lane = 0; lane < step; lane++)
        {
            low = MathF.Min(low, low0[lane]);
            high = MathF.Max(high, high0[lane]);
        }

        for (; i < values.Length; i++)
        {
            low = MathF.Min(low, values[i]);
            high = MathF.Max(high, values[i]);
        }

        return (low, high);
    }
}
