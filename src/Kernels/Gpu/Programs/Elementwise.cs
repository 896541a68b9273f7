using CoInference.Kernels.Gpu.Dialect;
using CoInference.Kernels.Simd.Elementwise;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>Operations on single values. One thread per value; views may share memory.</summary>
internal static class Elementwise
{
    /// <summary>y = f(x).</summary>
    /// <param name="x">Source.</param>
    /// <param name="y">Target.</param>
    /// <param name="count">Number of values.</param>
    /// <param name="alpha">First parameter of the function.</param>
    /// <param name="beta">Second parameter.</param>
    /// <param name="function">A <see cref="UnaryFunction"/>.</param>
    [Kernel(MayAlias = true)]
    public static void Map(ArrayView<float> x, ArrayView<float> y, int count, float alpha, float beta, SpecializedValue<int> function)
    {
        int i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (i < count)
        {
            float value = x[i];
            if (function == (int)UnaryFunction.Clamp) value = MathF.Min(MathF.Max(value, alpha), beta);
            if (function == (int)UnaryFunction.LeakyRelu) value = value > 0 ? value : alpha * value;
            if (function == (int)UnaryFunction.Sigmoid) value = 1 / (1 + MathF.Exp(-value));
            if (function == (int)UnaryFunction.HardSigmoid) value = MathF.Min(MathF.Max((alpha * value) + beta, 0), 1);
            if (function == (int)UnaryFunction.HardSwish) value *= MathF.Min(MathF.Max((value / 6) + 0.5f, 0), 1);
            if (function == (int)UnaryFunction.Tanh) value = MathF.Tanh(value);
            if (function == (int)UnaryFunction.Elu) value = value >= 0 ? value : alpha * (MathF.Exp(value) - 1);
            if (function == (int)UnaryFunction.Sqrt) value = MathF.Sqrt(value);
            if (function == (int)UnaryFunction.Exp) value = MathF.Exp(value);
            y[i] = value;
        }
    }

    /// <summary>z = clamp(f(x, y)), where y may be one value for all, or one for each plane.</summary>
    /// <param name="x">First operand.</param>
    /// <param name="y">Second operand.</param>
    /// <param name="z">Result.</param>
    /// <param name="count">Number of results.</param>
    /// <param name="pixels">Values of a plane.</param>
    /// <param name="channels">Planes of an image.</param>
    /// <param name="batchStride">Values of y from one image to the next; 0 when all images share them.</param>
    /// <param name="minimum">Lower bound of the result.</param>
    /// <param name="maximum">Upper bound of the result.</param>
    /// <param name="function">A <see cref="BinaryFunction"/>.</param>
    /// <param name="spread">0: y has as many values as x; 1: one value; 2: one for each plane.</param>
    [Kernel(MayAlias = true)]
    public static void Combine(
        ArrayView<float> x,
        ArrayView<float> y,
        ArrayView<float> z,
        int count,
        int pixels,
        int channels,
        int batchStride,
        float minimum,
        float maximum,
        SpecializedValue<int> function,
        SpecializedValue<int> spread)
    {
        int i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (i < count)
        {
            int other = i;
            if (spread == 1) other = 0;
            if (spread == 2)
            {
                int plane = i / pixels;
                int image = plane / channels;
                other = (image * batchStride) + plane - (image * channels);
            }

            float first = x[i];
            float second = y[other];
            float value = first + second;
            if (function == (int)BinaryFunction.Subtract) value = first - second;
            if (function == (int)BinaryFunction.Multiply) value = first * second;
            if (function == (int)BinaryFunction.Divide) value = first / second;
            if (function == (int)BinaryFunction.SubtractFrom) value = second - first;
            if (function == (int)BinaryFunction.DivideInto) value = second / first;
            if (function == (int)BinaryFunction.Power) value = MathF.Pow(first, second);
            if (function == (int)BinaryFunction.PRelu) value = first >= 0 ? first : first * second;
            z[i] = MathF.Min(MathF.Max(value, minimum), maximum);
        }
    }

    /// <summary>y = clamp(x scale + shift) with constants per channel.</summary>
    /// <param name="x">Source.</param>
    /// <param name="scale">One factor per channel.</param>
    /// <param name="shift">One addend per channel.</param>
    /// <param name="y">Target.</param>
    /// <param name="count">Number of values.</param>
    /// <param name="pixels">Values of a plane.</param>
    /// <param name="channels">Planes of an image.</param>
    /// <param name="minimum">Lower bound of the result.</param>
    /// <param name="maximum">Upper bound of the result.</param>
    [Kernel(MayAlias = true)]
    public static void ScaleShift(
        ArrayView<float> x, ArrayView<float> scale, ArrayView<float> shift, ArrayView<float> y, int count, int pixels, int channels, float minimum, float maximum)
    {
        int i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (i < count)
        {
            int channel = i / pixels % channels;
            y[i] = MathF.Min(MathF.Max((x[i] * scale[channel]) + shift[channel], minimum), maximum);
        }
    }
}
