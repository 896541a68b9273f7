using System.Numerics;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>How the elements of a reduced range combine.</summary>
public enum ReductionKind
{
    /// <summary>Sum.</summary>
    Sum,

    /// <summary>Mean.</summary>
    Mean,

    /// <summary>Largest.</summary>
    Max,

    /// <summary>Smallest.</summary>
    Min,

    /// <summary>Product.</summary>
    Product,

    /// <summary>Sum of squares.</summary>
    SumSquare,

    /// <summary>Square root of the sum of squares.</summary>
    L2,
}

/// <summary>Reductions along axes.</summary>
public static class Reduction
{
    /// <summary>Shape after reducing the marked axes.</summary>
    /// <param name="shape">Shape to reduce.</param>
    /// <param name="reduced">One flag per axis.</param>
    /// <param name="keepAxes">Whether reduced axes stay with size 1.</param>
    public static TensorShape Shape(TensorShape shape, ReadOnlySpan<bool> reduced, bool keepAxes)
    {
        var result = new List<int>(shape.Rank);
        for (int axis = 0; axis < shape.Rank; axis++)
        {
            if (!reduced[axis]) result.Add(shape[axis]);
            else if (keepAxes) result.Add(1);
        }

        return new TensorShape(result.ToArray());
    }

    /// <summary>Combines the elements along the marked axes: floating-point and narrow integers in double, wide integers exactly.</summary>
    /// <param name="tensor">The source.</param>
    /// <param name="reduced">One flag per axis.</param>
    /// <param name="keepAxes">Whether reduced axes stay with size 1.</param>
    /// <param name="kind">How elements combine.</param>
    public static Tensor Reduce(Tensor tensor, ReadOnlySpan<bool> reduced, bool keepAxes, ReductionKind kind)
    {
        TensorShape shape = Shape(tensor.Shape, reduced, keepAxes);
        int[] targets = Targets(tensor.Shape, reduced);
        if (tensor.Type is ElementType.Int64 or ElementType.UInt64)
        {
            var wide = new Tensor(tensor.Type, shape);
            if (tensor.Type == ElementType.Int64) Combine(tensor.Values<long>(), wide.Values<long>(), targets, kind);
            else Combine(tensor.Values<ulong>(), wide.Values<ulong>(), targets, kind);
            return wide;
        }

        var result = new double[shape.Count];
        Combine(Doubles.Of(tensor), result, targets, kind);
        return Doubles.Store(tensor.Type, shape, result);
    }

    /// <summary>Index of the largest or smallest element along one axis.</summary>
    /// <param name="tensor">The source.</param>
    /// <param name="axis">Axis in [-rank, rank).</param>
    /// <param name="keepAxis">Whether the axis stays with size 1.</param>
    /// <param name="smallest">Whether the smallest is meant.</param>
    /// <param name="lastIndex">Whether the last of several equal elements is named, else the first.</param>
    /// <returns>Int64 indices.</returns>
    /// <exception cref="ArgumentException">The axis is out of range or empty.</exception>
    public static Tensor ArgExtreme(Tensor tensor, long axis, bool keepAxis, bool smallest, bool lastIndex)
    {
        int along = Axes.Resolve(axis, tensor.Shape.Rank);
        bool[] reduced = Axes.Mark([along], tensor.Shape.Rank);
        var result = new Tensor(ElementType.Int64, Shape(tensor.Shape, reduced, keepAxis));
        if (tensor.Shape[along] == 0) throw new ArgumentException($"Axis {along} of {tensor.Shape} is empty.");
        double[] values = Doubles.Of(tensor);
        int[] targets = Targets(tensor.Shape, reduced);
        var best = new double[result.Count];
        Array.Fill(best, double.NaN);
        int stride = tensor.Shape.Strides()[along];
        Span<long> indices = result.Values<long>();
        for (int i = 0; i < values.Length; i++)
        {
            double held = best[targets[i]];
            bool better = double.IsNaN(held) || (smallest ? values[i] < held : values[i] > held) || (lastIndex && values[i] == held);
            if (!better) continue;
            best[targets[i]] = values[i];
            indices[targets[i]] = i / stride % tensor.Shape[along];
        }

        return result;
    }

    // For each element, the index of the result it belongs to.
    private static int[] Targets(TensorShape shape, ReadOnlySpan<bool> reduced)
    {
        var strides = new int[shape.Rank];
        int stride = 1;
        for (int axis = shape.Rank - 1; axis >= 0; axis--)
        {
            if (reduced[axis]) continue;
            strides[axis] = stride;
            stride *= Math.Max(1, shape[axis]);
        }

        var targets = new int[shape.Count];
        for (int i = 0; i < targets.Length; i++)
        {
            int rest = i;
            for (int axis = shape.Rank - 1; axis >= 0; axis--)
            {
                targets[i] += rest % shape[axis] * strides[axis];
                rest /= shape[axis];
            }
        }

        return targets;
    }

    private static void Combine<T>(ReadOnlySpan<T> source, Span<T> result, int[] targets, ReductionKind kind)
        where T : INumber<T>, IMinMaxValue<T>
    {
        result.Fill(kind switch
        {
            ReductionKind.Max => typeof(T) == typeof(double) ? T.CreateChecked(double.NegativeInfinity) : T.MinValue,
            ReductionKind.Min => typeof(T) == typeof(double) ? T.CreateChecked(double.PositiveInfinity) : T.MaxValue,
            ReductionKind.Product => T.One,
            _ => T.Zero,
        });
        for (int i = 0; i < source.Length; i++)
        {
            ref T held = ref result[targets[i]];
            T value = source[i];
            held = kind switch
            {
                ReductionKind.Max => T.Max(held, value),
                ReductionKind.Min => T.Min(held, value),
                ReductionKind.Product => unchecked(held * value),
                ReductionKind.Sum or ReductionKind.Mean => unchecked(held + value),
                _ => unchecked(held + (value * value)),
            };
        }

        if (kind is not (ReductionKind.Mean or ReductionKind.L2)) return;
        T count = T.CreateChecked(result.Length == 0 ? 1 : Math.Max(1, source.Length / result.Length));
        for (int i = 0; i < result.Length; i++)
            result[i] = kind == ReductionKind.Mean ? result[i] / count : T.CreateSaturating(Math.Sqrt(double.CreateChecked(result[i])));
    }
}
