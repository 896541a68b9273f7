using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;

namespace CoInference.Kernels.Simd.Elementwise;

/// <summary>A function of two numbers.</summary>
public enum BinaryFunction
{
    /// <summary>x + y.</summary>
    Add,

    /// <summary>x - y.</summary>
    Subtract,

    /// <summary>x y.</summary>
    Multiply,

    /// <summary>x / y.</summary>
    Divide,

    /// <summary>y - x: subtraction with its operands exchanged.</summary>
    SubtractFrom,

    /// <summary>y / x: division with its operands exchanged.</summary>
    DivideInto,

    /// <summary>x to the power of y.</summary>
    Power,

    /// <summary>x where x is not negative, else x y.</summary>
    PRelu,
}

/// <summary>Functions of two numbers over contiguous values; the target may be the memory of an operand.</summary>
public static class Binary
{
    /// <summary>Whether f(0, 0) is 0, so that zero padding stays zero.</summary>
    public static bool KeepsZero(BinaryFunction function) =>
        function is not (BinaryFunction.Divide or BinaryFunction.DivideInto or BinaryFunction.Power);

    /// <summary>Computes z = f(x, y) for every pair.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The function is not one of the enumeration.</exception>
    public static void Run(BinaryFunction function, ReadOnlySpan<float> x, ReadOnlySpan<float> y, Span<float> z)
    {
        if (x.Length != y.Length || x.Length != z.Length) throw new ArgumentException($"Lengths {x.Length}, {y.Length} and {z.Length} differ.");
        switch (function)
        {
            case BinaryFunction.Add: TensorPrimitives.Add(x, y, z); break;
            case BinaryFunction.Subtract: TensorPrimitives.Subtract(x, y, z); break;
            case BinaryFunction.Multiply: TensorPrimitives.Multiply(x, y, z); break;
            case BinaryFunction.Divide: TensorPrimitives.Divide(x, y, z); break;
            case BinaryFunction.SubtractFrom: TensorPrimitives.Subtract(y, x, z); break;
            case BinaryFunction.DivideInto: TensorPrimitives.Divide(y, x, z); break;
            case BinaryFunction.Power: TensorPrimitives.Pow(x, y, z); break;
            case BinaryFunction.PRelu:
                for (int i = 0; i < x.Length; i++) z[i] = x[i] < 0 ? x[i] * y[i] : x[i];
                break;
            default: throw new ArgumentOutOfRangeException(nameof(function), function, "Unknown function.");
        }
    }

    /// <summary>Computes z = f(x, y) with one y for all x.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The function is not one of the enumeration.</exception>
    public static void Run(BinaryFunction function, ReadOnlySpan<float> x, float y, Span<float> z)
    {
        if (x.Length != z.Length) throw new ArgumentException($"Lengths {x.Length} and {z.Length} differ.");
        switch (function)
        {
            case BinaryFunction.Add: TensorPrimitives.Add(x, y, z); break;
            case BinaryFunction.Subtract: TensorPrimitives.Subtract(x, y, z); break;
            case BinaryFunction.Multiply: TensorPrimitives.Multiply(x, y, z); break;
            case BinaryFunction.Divide: TensorPrimitives.Divide(x, y, z); break;
            case BinaryFunction.SubtractFrom: TensorPrimitives.Subtract(y, x, z); break;
            case BinaryFunction.DivideInto: TensorPrimitives.Divide(y, x, z); break;
            case BinaryFunction.Power when y == 2: TensorPrimitives.Multiply(x, x, z); break;
            case BinaryFunction.Power: TensorPrimitives.Pow(x, y, z); break;
            case BinaryFunction.PRelu: Unary.Run(UnaryFunction.LeakyRelu, y, 0, x, z); break;
            default: throw new ArgumentOutOfRangeException(nameof(function), function, "Unknown function.");
        }
    }

    /// <summary>Computes z = min(max(x + y, minimum), maximum): a residual sum and its activation in one pass.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void AddClamp(ReadOnlySpan<float> x, ReadOnlySpan<float> y, float minimum, float maximum, Span<float> z)
    {
        if (x.Length != y.Length || x.Length != z.Length) throw new ArgumentException($"Lengths {x.Length}, {y.Length} and {z.Length} differ.");
        ref float left = ref Unsafe.AsRef(in x.GetPinnableReference());
        ref float right = ref Unsafe.AsRef(in y.GetPinnableReference());
        ref float target = ref z.GetPinnableReference();
        var low = new Vector<float>(minimum);
        var high = new Vector<float>(maximum);
        int i = 0;
        for (; i <= x.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector<float> sum = Unsafe.ReadUnaligned<Vector<float>>(ref Unsafe.As<float, byte>(ref Unsafe.Add(ref left, i)))
                + Unsafe.ReadUnaligned<Vector<float>>(ref Unsafe.As<float, byte>(ref Unsafe.Add(ref right, i)));
            Unsafe.WriteUnaligned(ref Unsafe.As<float, byte>(ref Unsafe.Add(ref target, i)), Vector.Min(Vector.Max(sum, low), high));
        }

        for (; i < x.Length; i++) z[i] = MathF.Min(MathF.Max(x[i] + y[i], minimum), maximum);
    }
}
