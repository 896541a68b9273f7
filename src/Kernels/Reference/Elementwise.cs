using System.Numerics;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>How two elements are compared.</summary>
public enum Comparison
{
    /// <summary>Equal.</summary>
    Equal,

    /// <summary>Less.</summary>
    Less,

    /// <summary>Less or equal.</summary>
    LessOrEqual,

    /// <summary>Greater.</summary>
    Greater,

    /// <summary>Greater or equal.</summary>
    GreaterOrEqual,
}

/// <summary>Elementwise functions with broadcasting, for every numeric element type.</summary>
public static class Elementwise
{
    /// <summary>Applies <typeparamref name="TOperator"/> to two tensors of the same element type.</summary>
    /// <exception cref="ArgumentException">The element types differ or are Bool, or the shapes do not broadcast.</exception>
    /// <exception cref="DivideByZeroException">An integer is divided by zero.</exception>
    public static Tensor Binary<TOperator>(Tensor left, Tensor right)
        where TOperator : struct, IBinaryOperator
    {
        RequireSameType(left, right);
        return left.Type switch
        {
            ElementType.Float32 => Binary<TOperator, float>(left, right),
            ElementType.Float64 => Binary<TOperator, double>(left, right),
            ElementType.Float16 => Binary<TOperator, Half>(left, right),
            ElementType.BFloat16 => Casting.Cast(
                Binary<TOperator, float>(Casting.Cast(left, ElementType.Float32), Casting.Cast(right, ElementType.Float32)), ElementType.BFloat16),
            ElementType.Int8 => Binary<TOperator, sbyte>(left, right),
            ElementType.UInt8 => Binary<TOperator, byte>(left, right),
            ElementType.Int16 => Binary<TOperator, short>(left, right),
            ElementType.UInt16 => Binary<TOperator, ushort>(left, right),
            ElementType.Int32 => Binary<TOperator, int>(left, right),
            ElementType.UInt32 => Binary<TOperator, uint>(left, right),
            ElementType.Int64 => Binary<TOperator, long>(left, right),
            ElementType.UInt64 => Binary<TOperator, ulong>(left, right),
            _ => throw new ArgumentException($"Arithmetic on {left.Type} is not defined."),
        };
    }

    /// <summary>Raises to a power in double; the result has the element type of <paramref name="value"/>.</summary>
    /// <exception cref="ArgumentException">The shapes do not broadcast.</exception>
    public static Tensor Power(Tensor value, Tensor exponent)
    {
        TensorShape shape = Broadcasting.Combine(value.Shape, exponent.Shape);
        double[] x = Doubles.Of(value);
        double[] y = Doubles.Of(exponent);
        var result = new double[shape.Count];
        int[] xStrides = Broadcasting.Strides(value.Shape, shape);
        int[] yStrides = Broadcasting.Strides(exponent.Shape, shape);
        (int xStep, int yStep) = (LastOf(xStrides), LastOf(yStrides));
        Broadcasting.ForEachRow(shape, xStrides, yStrides, (target, left, right, length) =>
        {
            for (int i = 0; i < length; i++) result[target + i] = Math.Pow(x[left + (i * xStep)], y[right + (i * yStep)]);
        });
        return Doubles.Store(value.Type, shape, result);
    }

    /// <summary>Compares two tensors of the same element type; the result is Bool.</summary>
    /// <exception cref="ArgumentException">The element types differ, or the shapes do not broadcast.</exception>
    public static Tensor Compare(Tensor left, Tensor right, Comparison comparison)
    {
        RequireSameType(left, right);
        return left.Type switch
        {
            ElementType.Int64 => Compare(left.Values<long>().ToArray(), right.Values<long>().ToArray(), left.Shape, right.Shape, comparison),
            ElementType.UInt64 => Compare(left.Values<ulong>().ToArray(), right.Values<ulong>().ToArray(), left.Shape, right.Shape, comparison),
            _ => Compare(Doubles.Of(left), Doubles.Of(right), left.Shape, right.Shape, comparison),
        };
    }

    /// <summary>Logical function of two Bool tensors.</summary>
    /// <exception cref="ArgumentException">An element type is not Bool, or the shapes do not broadcast.</exception>
    public static Tensor Logical(Tensor left, Tensor right, Func<bool, bool, bool> function)
    {
        ArgumentNullException.ThrowIfNull(function);
        if (left.Type != ElementType.Bool || right.Type != ElementType.Bool)
            throw new ArgumentException($"Logic needs Bool operands, found {left.Type} and {right.Type}.");
        TensorShape shape = Broadcasting.Combine(left.Shape, right.Shape);
        ReadOnlySpan<bool> x = Broadcasting.Expand(left, shape).Values<bool>();
        ReadOnlySpan<bool> y = Broadcasting.Expand(right, shape).Values<bool>();
        var result = new Tensor(ElementType.Bool, shape);
        Span<bool> values = result.Values<bool>();
        for (int i = 0; i < values.Length; i++) values[i] = function(x[i], y[i]);
        return result;
    }

    /// <summary>Picks from <paramref name="whenTrue"/> where the condition holds, else from <paramref name="whenFalse"/>.</summary>
    /// <exception cref="ArgumentException">The condition is not Bool, the branches' types differ, or the shapes do not broadcast.</exception>
    public static Tensor Where(Tensor condition, Tensor whenTrue, Tensor whenFalse)
    {
        if (condition.Type != ElementType.Bool) throw new ArgumentException($"The condition is {condition.Type}, expected Bool.");
        RequireSameType(whenTrue, whenFalse);
        TensorShape shape = Broadcasting.Combine(condition.Shape, Broadcasting.Combine(whenTrue.Shape, whenFalse.Shape));
        ReadOnlySpan<bool> picks = Broadcasting.Expand(condition, shape).Values<bool>();
        ReadOnlySpan<byte> yes = Broadcasting.Expand(whenTrue, shape).Bytes;
        var result = new Tensor(whenTrue.Type, shape);
        Broadcasting.Expand(whenFalse, shape).Bytes.CopyTo(result.Bytes);
        int size = whenTrue.Type.SizeInBytes();
        for (int i = 0; i < picks.Length; i++)
        {
            if (picks[i]) yes.Slice(i * size, size).CopyTo(result.Bytes.Slice(i * size, size));
        }

        return result;
    }

    private static Tensor Binary<TOperator, T>(Tensor left, Tensor right)
        where TOperator : struct, IBinaryOperator
        where T : unmanaged, INumber<T>
    {
        TensorShape shape = Broadcasting.Combine(left.Shape, right.Shape);
        var result = new Tensor(left.Type, shape);
        int[] leftStrides = Broadcasting.Strides(left.Shape, shape);
        int[] rightStrides = Broadcasting.Strides(right.Shape, shape);
        (int leftStep, int rightStep) = (LastOf(leftStrides), LastOf(rightStrides));
        Broadcasting.ForEachRow(shape, leftStrides, rightStrides, (target, x, y, length) =>
        {
            ReadOnlySpan<T> a = left.Values<T>();
            ReadOnlySpan<T> b = right.Values<T>();
            Span<T> values = result.Values<T>().Slice(target, length);
            for (int i = 0; i < values.Length; i++) values[i] = TOperator.Invoke(a[x + (i * leftStep)], b[y + (i * rightStep)]);
        });
        return result;
    }

    private static Tensor Compare<T>(T[] left, T[] right, TensorShape leftShape, TensorShape rightShape, Comparison comparison)
        where T : INumber<T>
    {
        TensorShape shape = Broadcasting.Combine(leftShape, rightShape);
        var result = new Tensor(ElementType.Bool, shape);
        int[] leftStrides = Broadcasting.Strides(leftShape, shape);
        int[] rightStrides = Broadcasting.Strides(rightShape, shape);
        (int leftStep, int rightStep) = (LastOf(leftStrides), LastOf(rightStrides));
        Broadcasting.ForEachRow(shape, leftStrides, rightStrides, (target, x, y, length) =>
        {
            Span<bool> values = result.Values<bool>().Slice(target, length);
            for (int i = 0; i < values.Length; i++)
            {
                (T a, T b) = (left[x + (i * leftStep)], right[y + (i * rightStep)]);
                values[i] = comparison switch
                {
                    Comparison.Equal => a == b,
                    Comparison.Less => a < b,
                    Comparison.LessOrEqual => a <= b,
                    Comparison.Greater => a > b,
                    _ => a >= b,
                };
            }
        });
        return result;
    }

    private static int LastOf(int[] strides) => strides.Length == 0 ? 0 : strides[^1];

    private static void RequireSameType(Tensor left, Tensor right)
    {
        if (left.Type != right.Type) throw new ArgumentException($"The operands are {left.Type} and {right.Type}, expected the same element type.");
    }
}
