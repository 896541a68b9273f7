using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>
/// Conversions between floats and 8-bit integers, to the bit those of <see cref="Simd.Quantized.ByteQuantizer"/>. One thread per value;
/// signed bytes are stored by their bits.
/// </summary>
internal static class ByteQuantization
{
    /// <summary>y = round(x / scale) + zero point, saturated, with constants per channel or one of each.</summary>
    /// <param name="x">Source.</param>
    /// <param name="scales">Scales; 0 gives the zero point.</param>
    /// <param name="zeroPoints">As many zero points.</param>
    /// <param name="y">Target.</param>
    /// <param name="count">Number of values.</param>
    /// <param name="inner">Values that follow each other with one scale.</param>
    /// <param name="channels">Number of scales.</param>
    /// <param name="lowest">Lowest byte: -128 or 0.</param>
    /// <param name="highest">Highest byte: 127 or 255.</param>
    [Kernel]
    public static void Quantize(
        ArrayView<float> x, ArrayView<float> scales, ArrayView<int> zeroPoints, ArrayView<byte> y, int count, int inner, int channels, float lowest, float highest)
    {
        int i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (i < count)
        {
            int channel = i / inner % channels;
            y[i] = Round(x[i], scales[channel], zeroPoints[channel], lowest, highest);
        }
    }

    /// <summary>y = (x - zero point) scale with constants per channel or one of each.</summary>
    /// <param name="x">Source.</param>
    /// <param name="scales">Scales.</param>
    /// <param name="zeroPoints">As many zero points.</param>
    /// <param name="y">Target.</param>
    /// <param name="count">Number of values.</param>
    /// <param name="inner">Values that follow each other with one scale.</param>
    /// <param name="channels">Number of scales.</param>
    /// <param name="sign">0x80 for signed bytes, else 0.</param>
    [Kernel]
    public static void Dequantize(
        ArrayView<byte> x, ArrayView<float> scales, ArrayView<int> zeroPoints, ArrayView<float> y, int count, int inner, int channels, int sign)
    {
        int i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (i < count)
        {
            int channel = i / inner % channels;
            y[i] = (float)((x[i] ^ sign) - sign - zeroPoints[channel]) * scales[channel];
        }
    }

    /// <summary>Unsigned bytes of a scale and zero point for the range of the values, widened to include 0; also writes these two.</summary>
    /// <param name="x">Source.</param>
    /// <param name="minimum">Smallest value of the source, one.</param>
    /// <param name="maximum">Largest value of the source, one.</param>
    /// <param name="y">Target.</param>
    /// <param name="scale">Receives the scale.</param>
    /// <param name="zeroPoint">Receives the zero point.</param>
    /// <param name="count">Number of values.</param>
    [Kernel]
    public static void QuantizeRange(
        ArrayView<float> x, ArrayView<float> minimum, ArrayView<float> maximum, ArrayView<byte> y, ArrayView<float> scale, ArrayView<byte> zeroPoint, int count)
    {
        int i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        float low = MathF.Min(minimum[0], 0);
        float step = Quotient(MathF.Max(maximum[0], 0) - low, 255);
        int zero = 0;
        if (step > 0) zero = (int)MathF.Min(MathF.Max(MathF.Round(Quotient(-low, step)), 0), 255);
        if (i == 0)
        {
            scale[0] = step;
            zeroPoint[0] = (byte)zero;
        }

        if (i < count) y[i] = Round(x[i], step, zero, 0, 255);
    }

    /// <summary>y = x as floats.</summary>
    /// <param name="x">Source.</param>
    /// <param name="y">Target; may be the source's memory.</param>
    /// <param name="count">Number of values.</param>
    [Kernel(MayAlias = true)]
    public static void Convert(ArrayView<int> x, ArrayView<float> y, int count)
    {
        int i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (i < count) y[i] = (float)x[i];
    }

    private static byte Round(float value, float scale, int zeroPoint, float lowest, float highest)
    {
        float rounded = 0;
        if (scale > 0) rounded = MathF.Round(Quotient(value, scale));
        return (byte)(int)MathF.Min(MathF.Max(rounded + (float)zeroPoint, lowest), highest);
    }

    // The division of OpenCL may be off by 2.5 units in the last place: one step with the exact remainder rounds it as IEEE 754 has it.
    private static float Quotient(float numerator, float denominator)
    {
        float quotient = numerator / denominator;
        float remainder = MathF.FusedMultiplyAdd(-quotient, denominator, numerator);
        float corrected = MathF.FusedMultiplyAdd(remainder, 1 / denominator, quotient);
        // Of numbers that the remainder of is none, and of those too small for it, no byte depends on the last place.
        return MathF.Abs(quotient) < 1e6f && MathF.Abs(numerator) > 1e-30f ? corrected : quotient;
    }
}
