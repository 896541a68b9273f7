using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>Softmax and its logarithm.</summary>
public static class Softmax
{
    /// <summary>Normalizes exponentials over a range of adjacent axes.</summary>
    /// <param name="input">Floating-point values.</param>
    /// <param name="axis">First axis of the range, 0 to rank.</param>
    /// <param name="throughLastAxis">Whether the range reaches to the last axis, as before operator set 13; else it is one axis.</param>
    /// <param name="logarithm">Whether the logarithm of the result is returned.</param>
    /// <exception cref="ArgumentException">The axis is out of range or the input is no floating-point tensor.</exception>
    public static Tensor Run(Tensor input, int axis, bool throughLastAxis, bool logarithm)
    {
        TensorShape shape = input.Shape;
        if (!input.Type.IsFloat()) throw new ArgumentException($"The input is {input.Type}, expected a floating-point type.");
        if (axis < 0 || axis > shape.Rank || (axis == shape.Rank && !throughLastAxis && axis > 0)) throw new ArgumentException($"Shape {shape} has no axis {axis}.");
        int length = 1;
        int inner = 1;
        for (int i = axis; i < shape.Rank; i++)
        {
            if (throughLastAxis || i == axis) length *= shape[i];
            else inner *= shape[i];
        }

        double[] x = Doubles.Of(input);
        for (int start = 0; start < x.Length; start++)
        {
            if (start / inner % length != 0) continue;
            double largest = double.NegativeInfinity;
            for (int i = 0; i < length; i++) largest = Math.Max(largest, x[start + (i * inner)]);
            double sum = 0;
            for (int i = 0; i < length; i++) sum += Math.Exp(x[start + (i * inner)] - largest);
            for (int i = 0; i < length; i++)
            {
                ref double value = ref x[start + (i * inner)];
                value = logarithm ? value - largest - Math.Log(sum) : Math.Exp(value - largest) / sum;
            }
        }

        return Doubles.Store(input.Type, shape, x);
    }
}
