using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;

namespace CoInference.Kernels.Simd.Elementwise;

/// <summary>A function of one number, with the parameters of the ONNX operator of the same name.</summary>
public enum UnaryFunction
{
    /// <summary>min(max(x, alpha), beta): Relu, Clip.</summary>
    Clamp,

    /// <summary>x where x is positive, else alpha x.</summary>
    LeakyRelu,

    /// <summary>1 / (1 + exp(-x)).</summary>
    Sigmoid,

    /// <summary>min(max(alpha x + beta, 0), 1).</summary>
    HardSigmoid,

    /// <summary>x min(max(x / 6 + 1/2, 0), 1).</summary>
    HardSwish,

    /// <summary>Hyperbolic tangent.</summary>
    Tanh,

    /// <summary>x where x is not negative, else alpha (exp(x) - 1).</summary>
    Elu,

    /// <summary>Square root.</summary>
    Sqrt,

    /// <summary>Exponential.</summary>
    Exp,
}

/// <summary>Functions of one number over contiguous values; source and target may be the same memory.</summary>
public static class Unary
{
    /// <summary>Computes y = f(x) for every element.</summary>
    /// <param name="function">The function.</param>
    /// <param name="alpha">First parameter; unused by functions without one.</param>
    /// <param name="beta">Second parameter.</param>
    /// <param name="x">Source.</param>
    /// <param name="y">Target, as long as the source.</param>
    /// <exception cref="ArgumentException">The target has another length.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The function is not one of the enumeration.</exception>
    public static void Run(UnaryFunction function, float alpha, float beta, ReadOnlySpan<float> x, Span<float> y)
    {
        if (y.Length != x.Length) throw new ArgumentException($"{x.Length} values cannot be written to {y.Length} places.", nameof(y));
        switch (function)
        {
            case UnaryFunction.Clamp: Map(new ClampFunction(alpha, beta), x, y); break;
            case UnaryFunction.LeakyRelu: Map(new LeakyReluFunction(alpha), x, y); break;
            case UnaryFunction.Sigmoid: TensorPrimitives.Sigmoid(x, y); break;
            case UnaryFunction.HardSigmoid: Map(new HardSigmoidFunction(alpha, beta), x, y); break;
            case UnaryFunction.HardSwish: Map(default(HardSwishFunction), x, y); break;
            case UnaryFunction.Tanh: TensorPrimitives.Tanh(x, y); break;
            case UnaryFunction.Elu: Elu(alpha, x, y); break;
            case UnaryFunction.Sqrt: TensorPrimitives.Sqrt(x, y); break;
            case UnaryFunction.Exp: TensorPrimitives.Exp(x, y); break;
            default: throw new ArgumentOutOfRangeException(nameof(function), function, "Unknown function.");
        }
    }

    private static void Elu(float alpha, ReadOnlySpan<float> x, Span<float> y)
    {
        const int Chunk = 256;
        Span<float> exponential = stackalloc float[Chunk];
        for (int start = 0; start < x.Length; start += Chunk)
        {
            int count = Math.Min(Chunk, x.Length - start);
            ReadOnlySpan<float> from = x.Slice(start, count);
            TensorPrimitives.Exp(from, exponential[..count]);
            Span<float> to = y.Slice(start, count);
            for (int i = 0; i < count; i++) to[i] = from[i] >= 0 ? from[i] : alpha * (exponential[i] - 1);
        }
    }

    private static void Map<TFunction>(TFunction function, ReadOnlySpan<float> x, Span<float> y)
        where TFunction : struct, IVectorFunction
    {
        ref float source = ref Unsafe.AsRef(in x.GetPinnableReference());
        ref float target = ref y.GetPinnableReference();
        int i = 0;
        for (; i <= x.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector<float> value = Unsafe.ReadUnaligned<Vector<float>>(ref Unsafe.As<float, byte>(ref Unsafe.Add(ref source, i)));
            Unsafe.WriteUnaligned(ref Unsafe.As<float, byte>(ref Unsafe.Add(ref target, i)), function.Invoke(value));
        }

        for (; i < x.Length; i++) y[i] = function.Invoke(new Vector<float>(x[i]))[0];
    }

    private interface IVectorFunction
    {
        Vector<float> Invoke(Vector<float> x);
    }

    private readonly struct ClampFunction(float minimum, float maximum) : IVectorFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector<float> Invoke(Vector<float> x) => Vector.Min(Vector.Max(x, new Vector<float>(minimum)), new Vector<float>(maximum));
    }

    private readonly struct LeakyReluFunction(float alpha) : IVectorFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector<float> Invoke(Vector<float> x) =>
            Vector.ConditionalSelect(Vector.LessThan(x, Vector<float>.Zero), x * new Vector<float>(alpha), x);
    }

    private readonly struct HardSigmoidFunction(float alpha, float beta) : IVectorFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector<float> Invoke(Vector<float> x) =>
            Vector.Min(Vector.Max((x * new Vector<float>(alpha)) + new Vector<float>(beta), Vector<float>.Zero), Vector<float>.One);
    }

    private readonly struct HardSwishFunction : IVectorFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector<float> Invoke(Vector<float> x) =>
            x * Vector.Min(Vector.Max((x * new Vector<float>(1f / 6)) + new Vector<float>(0.5f), Vector<float>.Zero), Vector<float>.One);
    }
}
