using System.Numerics;

namespace CoInference.Kernels.Reference;

/// <summary>A function of two numbers of the same type. Integers wrap around on overflow, as in ONNX.</summary>
public interface IBinaryOperator
{
    /// <summary>Applies the function.</summary>
    static abstract T Invoke<T>(T left, T right)
        where T : INumber<T>;
}

/// <summary>Sum.</summary>
public readonly struct AddOperator : IBinaryOperator
{
    /// <inheritdoc/>
    public static T Invoke<T>(T left, T right)
        where T : INumber<T> => unchecked(left + right);
}

/// <summary>Difference.</summary>
public readonly struct SubtractOperator : IBinaryOperator
{
    /// <inheritdoc/>
    public static T Invoke<T>(T left, T right)
        where T : INumber<T> => unchecked(left - right);
}

/// <summary>Product.</summary>
public readonly struct MultiplyOperator : IBinaryOperator
{
    /// <inheritdoc/>
    public static T Invoke<T>(T left, T right)
        where T : INumber<T> => unchecked(left * right);
}

/// <summary>Quotient; integers truncate toward zero and throw on division by zero.</summary>
public readonly struct DivideOperator : IBinaryOperator
{
    /// <inheritdoc/>
    public static T Invoke<T>(T left, T right)
        where T : INumber<T> => left / right;
}

/// <summary>The larger number; NaN when either is NaN.</summary>
public readonly struct MaximumOperator : IBinaryOperator
{
    /// <inheritdoc/>
    public static T Invoke<T>(T left, T right)
        where T : INumber<T> => T.Max(left, right);
}

/// <summary>The smaller number; NaN when either is NaN.</summary>
public readonly struct MinimumOperator : IBinaryOperator
{
    /// <inheritdoc/>
    public static T Invoke<T>(T left, T right)
        where T : INumber<T> => T.Min(left, right);
}

/// <summary>Parametric ReLU: the left number, times the right one where it is negative.</summary>
public readonly struct PReluOperator : IBinaryOperator
{
    /// <inheritdoc/>
    public static T Invoke<T>(T left, T right)
        where T : INumber<T> => left < T.Zero ? unchecked(left * right) : left;
}
