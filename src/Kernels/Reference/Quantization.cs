using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>Scale and zero point of an affine quantization: real = (stored - zero point) · scale.</summary>
/// <param name="Scale">Floating-point scale: a scalar or one per channel.</param>
/// <param name="ZeroPoint">Integer zero point; its element type is that of the stored values.</param>
public sealed record QuantizedScale(Tensor Scale, Tensor ZeroPoint);

/// <summary>A tensor of integers with the scale and zero point that give them meaning.</summary>
/// <param name="Values">Stored integers.</param>
/// <param name="Scale">Floating-point scale: a scalar or one per channel.</param>
/// <param name="ZeroPoint">Integer zero point.</param>
public sealed record QuantizedTensor(Tensor Values, Tensor Scale, Tensor ZeroPoint);

/// <summary>Affine quantization: per tensor, per axis, or per block along an axis.</summary>
public static class Quantization
{
    /// <summary>Rounds x / scale to even, adds the zero point, and saturates to <paramref name="type"/>.</summary>
    /// <param name="input">Values to quantize, floating-point or Int32.</param>
    /// <param name="scale">Scalar, one per index of the axis, or the input's shape with the axis divided into blocks.</param>
    /// <param name="zeroPoint">The scale's shape, or null for 0.</param>
    /// <param name="type">Integer element type of the result.</param>
    /// <param name="axis">The axis of per-axis and blocked quantization; negative counts from the end.</param>
    /// <param name="blockSize">Elements of the axis that share a scale; 0 when not blocked.</param>
    /// <exception cref="ArgumentException">Shapes do not fit, or the type is no integer type of at most 16 bits.</exception>
    public static Tensor Quantize(Tensor input, Tensor scale, Tensor? zeroPoint, ElementType type, int axis, int blockSize)
    {
        if (!type.IsInteger() || type.SizeInBytes() > 2) throw new ArgumentException($"Values quantize to 8 or 16-bit integers, not {type}.");
        int[] pick = ScaleIndices(input.Shape, scale.Shape, axis, blockSize);
        double[] x = Doubles.Of(input);
        double[] scales = Doubles.Of(scale);
        double[]? zeros = ZeroPoints(zeroPoint, scale);

        // The division is done in single precision, as every runtime does it: results at a rounding tie then agree.
        for (int i = 0; i < x.Length; i++)
            x[i] = Math.Round((float)x[i] / (float)scales[pick[i]], MidpointRounding.ToEven) + (zeros is null ? 0 : zeros[pick[i]]);
        return Doubles.Store(type, input.Shape, x);
    }

    /// <summary>(x - zero point) · scale.</summary>
    /// <param name="input">Integers.</param>
    /// <param name="scale">As for <see cref="Quantize"/>.</param>
    /// <param name="zeroPoint">The scale's shape, or null for 0.</param>
    /// <param name="type">Floating-point element type of the result.</param>
    /// <param name="axis">The axis of per-axis and blocked quantization; negative counts from the end.</param>
    /// <param name="blockSize">Elements of the axis that share a scale; 0 when not blocked.</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public static Tensor Dequantize(Tensor input, Tensor scale, Tensor? zeroPoint, ElementType type, int axis, int blockSize)
    {
        int[] pick = ScaleIndices(input.Shape, scale.Shape, axis, blockSize);
        double[] x = Doubles.Of(input);
        double[] scales = Doubles.Of(scale);
        double[]? zeros = ZeroPoints(zeroPoint, scale);
        for (int i = 0; i < x.Length; i++) x[i] = (x[i] - (zeros is null ? 0 : zeros[pick[i]])) * scales[pick[i]];
        return Doubles.Store(type, input.Shape, x);
    }

    /// <summary>Quantizes to UInt8 with a scale and zero point found from the range of the values, which is widened to include 0.</summary>
    /// <param name="input">Float32 values.</param>
    /// <returns>The values, the Float32 scale and the UInt8 zero point.</returns>
    /// <exception cref="ArgumentException">The input is not Float32.</exception>
    public static QuantizedTensor QuantizeDynamically(Tensor input)
    {
        if (input.Type != ElementType.Float32) throw new ArgumentException($"The input is {input.Type}, expected Float32.");
        float low = 0;
        float high = 0;
        foreach (float value in input.Values<float>())
        {
            low = Math.Min(low, value);
            high = Math.Max(high, value);
        }

        float scale = (high - low) / 255;
        byte zeroPoint = scale == 0 ? (byte)0 : byte.CreateSaturating(MathF.Round(-low / scale, MidpointRounding.ToEven));
        var result = new Tensor(ElementType.UInt8, input.Shape);
        ReadOnlySpan<float> source = input.Values<float>();
        for (int i = 0; i < source.Length; i++)
        {
            float quantized = scale == 0 ? 0 : MathF.Round(source[i] / scale, MidpointRounding.ToEven);
            result.Bytes[i] = byte.CreateSaturating(quantized + zeroPoint);
        }

        return new QuantizedTensor(result, Tensor.Scalar(scale), Tensor.Scalar(zeroPoint));
    }

    private static double[]? ZeroPoints(Tensor? zeroPoint, Tensor scale)
    {
        if (zeroPoint is null) return null;
        if (zeroPoint.Count != scale.Count) throw new ArgumentException($"The zero point has shape {zeroPoint.Shape}, the scale {scale.Shape}.");
        return Doubles.Of(zeroPoint);
    }

    // Index of the scale of each element.
    private static int[] ScaleIndices(TensorShape shape, TensorShape scale, int axis, int blockSize)
    {
        var pick = new int[shape.Count];
        if (scale.Count == 1 && blockSize == 0) return pick;
        if (axis < -shape.Rank || axis >= shape.Rank) throw new ArgumentException($"Shape {shape} has no axis {axis}.");
        int along = axis < 0 ? axis + shape.Rank : axis;
        int inner = 1;
        foreach (int size in shape.Dimensions[(along + 1)..]) inner *= size;
        if (blockSize == 0)
        {
            if (scale.Rank != 1 || scale[0] != shape[along]) throw new ArgumentException($"The scale has shape {scale}, expected a scalar or [{shape[along]}].");
            for (int i = 0; i < pick.Length; i++) pick[i] = i / inner % shape[along];
            return pick;
        }

        int blocks = blockSize < 0 ? 0 : (int)(((long)shape[along] + blockSize - 1) / blockSize);
        int[] expected = shape.Dimensions.ToArray();
        expected[along] = blocks;
        if (!scale.Dimensions.SequenceEqual(expected)) throw new ArgumentException($"The scale has shape {scale}, expected [{string.Join(", ", expected)}].");
        for (int i = 0; i < pick.Length; i++)
        {
            int outer = i / inner / shape[along];
            int block = i / inner % shape[along] / blockSize;
            pick[i] = (((outer * blocks) + block) * inner) + (i % inner);
        }

        return pick;
    }
}
