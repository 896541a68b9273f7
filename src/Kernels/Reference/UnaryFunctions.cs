using System.Numerics;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>A function of one number that every numeric type has. Integers wrap around on overflow.</summary>
public interface IUnaryOperator
{
    /// <summary>Applies the function.</summary>
    static abstract T Invoke<T>(T value)
        where T : INumber<T>;
}

/// <summary>The number, or 0 when it is negative.</summary>
public readonly struct ReluOperator : IUnaryOperator
{
    /// <inheritdoc/>
    public static T Invoke<T>(T value)
        where T : INumber<T> => value < T.Zero ? T.Zero : value;
}

/// <summary>The magnitude.</summary>
public readonly struct AbsOperator : IUnaryOperator
{
    /// <inheritdoc/>
    public static T Invoke<T>(T value)
        where T : INumber<T> => value < T.Zero ? unchecked(T.Zero - value) : T.CopySign(value, T.One);
}

/// <summary>The number with the opposite sign.</summary>
public readonly struct NegateOperator : IUnaryOperator
{
    /// <inheritdoc/>
    public static T Invoke<T>(T value)
        where T : INumber<T> => unchecked(-value);
}

/// <summary>-1, 0 or 1; NaN stays NaN.</summary>
public readonly struct SignOperator : IUnaryOperator
{
    /// <inheritdoc/>
    public static T Invoke<T>(T value)
        where T : INumber<T> => value > T.Zero ? T.One : value < T.Zero ? unchecked(T.Zero - T.One) : value;
}

/// <summary>Functions of single elements.</summary>
public static class UnaryFunctions
{
    /// <summary>Applies <typeparamref name="TOperator"/> to each element in its own type.</summary>
    /// <exception cref="ArgumentException">The element type is Bool.</exception>
    public static Tensor Apply<TOperator>(Tensor value)
        where TOperator : struct, IUnaryOperator => value.Type switch
        {
            ElementType.Float32 => Apply<TOperator, float>(value),
            ElementType.Float64 => Apply<TOperator, double>(value),
            ElementType.Float16 => Apply<TOperator, Half>(value),
            ElementType.BFloat16 => Casting.Cast(Apply<TOperator, float>(Casting.Cast(value, ElementType.Float32)), ElementType.BFloat16),
            ElementType.Int8 => Apply<TOperator, sbyte>(value),
            ElementType.UInt8 => Apply<TOperator, byte>(value),
            ElementType.Int16 => Apply<TOperator, short>(value),
            ElementType.UInt16 => Apply<TOperator, ushort>(value),
            ElementType.Int32 => Apply<TOperator, int>(value),
            ElementType.UInt32 => Apply<TOperator, uint>(value),
            ElementType.Int64 => Apply<TOperator, long>(value),
            ElementType.UInt64 => Apply<TOperator, ulong>(value),
            _ => throw new ArgumentException($"Arithmetic on {value.Type} is not defined."),
        };

    /// <summary>Applies a real function in double and rounds to the element type of the operand.</summary>
    /// <exception cref="ArgumentException">The element type is no floating-point type.</exception>
    public static Tensor Map(Tensor value, Func<double, double> function)
    {
        ArgumentNullException.ThrowIfNull(function);
        if (!value.Type.IsFloat()) throw new ArgumentException($"The operand is {value.Type}, expected a floating-point type.");
        double[] values = Doubles.Of(value);
        for (int i = 0; i < values.Length; i++) values[i] = function(values[i]);
        return Doubles.Store(value.Type, value.Shape, values);
    }

    /// <summary>Negates each Bool element.</summary>
    /// <exception cref="ArgumentException">The element type is not Bool.</exception>
    public static Tensor Not(Tensor value)
    {
        if (value.Type != ElementType.Bool) throw new ArgumentException($"The operand is {value.Type}, expected Bool.");
        var result = new Tensor(ElementType.Bool, value.Shape);
        ReadOnlySpan<bool> source = value.Values<bool>();
        Span<bool> target = result.Values<bool>();
        for (int i = 0; i < target.Length; i++) target[i] = !source[i];
        return result;
    }

    /// <summary>The error function, to about 1e-15 relative.</summary>
    /// <remarks>Maclaurin series below 2.5, continued fraction of erfc above (Abramowitz and Stegun 7.1.5 and 7.1.14).</remarks>
    public static double Erf(double x)
    {
        if (double.IsNaN(x)) return x;
        double magnitude = Math.Abs(x);
        if (magnitude > 6) return Math.Sign(x);
        if (magnitude < 2.5)
        {
            double term = x;
            double sum = x;
            for (int n = 1; Math.Abs(term) > 1e-17 * Math.Abs(sum); n++)
            {
                term *= -x * x / n;
                sum += term / ((2 * n) + 1);
            }

            return 2 / Math.Sqrt(Math.PI) * sum;
        }

        double fraction = 0;
        for (int n = 60; n >= 1; n--) fraction = n / 2.0 / (magnitude + fraction);
        double complement = Math.Exp(-x * x) / Math.Sqrt(Math.PI) / (magnitude + fraction);
        return Math.Sign(x) * (1 - complement);
    }

    private static Tensor Apply<TOperator, T>(Tensor value)
        where TOperator : struct, IUnaryOperator
        where T : unmanaged, INumber<T>
    {
        var result = new Tensor(value.Type, value.Shape);
        ReadOnlySpan<T> source = value.Values<T>();
        Span<T> target = result.Values<T>();
        for (int i = 0; i < target.Length; i++) target[i] = TOperator.Invoke(source[i]);
        return result;
    }
}
