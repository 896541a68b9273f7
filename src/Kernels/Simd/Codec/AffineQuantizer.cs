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
    public static void Quantize(float* source, byte* symbols, int count, float inverse, float offset, int levels)
    {
        float top = levels - 1;
        for (int i = 0; i < count; i++) symbols[i] = Symbol(source[i], inverse, offset, top);
    }

    /// <summary>Restores <paramref name="count"/> values from their symbols.</summary>
    /// <param name="symbols">Symbols.</param>
    /// <param name="target">Receives one value per symbol.</param>
    /// <param name="count">Number of symbols.</param>
    /// <param name="step">Distance between the values of neighbouring symbols.</param>
    /// <param name="minimum">Value of symbol 0.</param>
    public static void Dequantize(byte* symbols, float* target, int count, float step, float minimum)
    {
        for (int i = 0; i < count; i++)
        {
            float scaled = symbols[i] * step;
            target[i] = scaled + minimum;
        }
    }

    /// <summary>The symbol of one value: the definition that the vector code repeats.</summary>
    public static byte Symbol(float value, float inverse, float offset, float top)
    {
        float scaled = value * inverse;
        float t = scaled + offset;
        t = t > 0 ? t : 0;
        t = t < top ? t : top;
        return (byte)BitConverter.SingleToUInt32Bits(t + TwoTo23);
    }
}
