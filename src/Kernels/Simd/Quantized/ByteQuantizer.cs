using System.Numerics;
using System.Numerics.Tensors;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>Conversions between floats and 8-bit integers, rounding to even as ONNX defines them.</summary>
public static class ByteQuantizer
{
    /// <summary>Scale and zero point of unsigned bytes for the range of the values, widened to include 0.</summary>
    public static (float Scale, byte ZeroPoint) Range(ReadOnlySpan<float> values)
    {
        float low = values.IsEmpty ? 0 : MathF.Min(0, TensorPrimitives.Min(values));
        float high = values.IsEmpty ? 0 : MathF.Max(0, TensorPrimitives.Max(values));
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
    public static void Quantize(ReadOnlySpan<float> source, float scale, int zeroPoint, bool isSigned, Span<byte> target)
    {
        if (source.Length != target.Length) throw new ArgumentException($"{source.Length} values cannot be written to {target.Length} places.", nameof(target));
        if (scale == 0)
        {
            target.Fill((byte)zeroPoint);
            return;
        }

        (int minimum, int maximum) = isSigned ? (-128, 127) : (0, 255);
        int i = 0;
        int step = Vector<float>.Count;
        for (; i <= source.Length - (4 * step); i += 4 * step)
        {
            Vector<short> low = Vector.Narrow(Round(source[i..], scale, zeroPoint, minimum, maximum), Round(source[(i + step)..], scale, zeroPoint, minimum, maximum));
            Vector<short> high = Vector.Narrow(Round(source[(i + (2 * step))..], scale, zeroPoint, minimum, maximum), Round(source[(i + (3 * step))..], scale, zeroPoint, minimum, maximum));
            Vector.AsVectorByte(Vector.Narrow(low, high)).CopyTo(target[i..]);
        }

        for (; i < source.Length; i++)
            target[i] = (byte)(int)Math.Clamp(MathF.Round(source[i] / scale, MidpointRounding.ToEven) + zeroPoint, minimum, maximum);
    }

    private static Vector<int> Round(ReadOnlySpan<float> source, float scale, int zeroPoint, int minimum, int maximum)
    {
        Vector<float> rounded = Vector.Round(new Vector<float>(source) / new Vector<float>(scale), MidpointRounding.ToEven) + new Vector<float>(zeroPoint);
        return Vector.ConvertToInt32(Vector.Min(Vector.Max(rounded, new Vector<float>(minimum)), new Vector<float>(maximum)));
    }
}
