using System.Diagnostics.CodeAnalysis;

namespace CoInference.Kernels.Tensors;

/// <summary>An immutable list of dimensions, outermost first. Rank 0 is a scalar; a dimension may be 0.</summary>
public readonly struct TensorShape : IEquatable<TensorShape>
{
    private readonly int[]? _dimensions;

    /// <summary>Creates a shape.</summary>
    /// <exception cref="ArgumentException">A dimension is negative, or the element count exceeds <see cref="int.MaxValue"/>.</exception>
    public TensorShape(params ReadOnlySpan<int> dimensions)
    {
        _dimensions = dimensions.ToArray();
        long count = 1;
        foreach (int dimension in dimensions)
        {
            if (dimension < 0) throw new ArgumentException($"Shape [{string.Join(", ", _dimensions)}] has a negative dimension.");
            count *= dimension;
            if (count > int.MaxValue) throw new ArgumentException($"Shape [{string.Join(", ", _dimensions)}] has more than {int.MaxValue} elements.");
        }

        Count = (int)count;
    }

    /// <summary>The dimensions, outermost first.</summary>
    public ReadOnlySpan<int> Dimensions => _dimensions;

    /// <summary>Number of dimensions.</summary>
    public int Rank => _dimensions?.Length ?? 0;

    /// <summary>Number of elements; 1 for a scalar.</summary>
    public int Count { get => _dimensions is null ? 1 : field; }

    /// <summary>The dimension at <paramref name="axis"/>; negative axes count from the end.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The axis is outside [-Rank, Rank).</exception>
    public int this[int axis] => _dimensions is { } d && axis >= -d.Length && axis < d.Length
        ? d[axis < 0 ? axis + d.Length : axis]
        : throw new ArgumentOutOfRangeException(nameof(axis), axis, $"Shape {this} has no such axis.");

    /// <summary>Row-major strides in elements, one per dimension.</summary>
    public int[] Strides()
    {
        var strides = new int[Rank];
        int stride = 1;
        for (int axis = Rank - 1; axis >= 0; axis--)
        {
            strides[axis] = stride;
            stride *= Math.Max(1, this[axis]);
        }

        return strides;
    }

    /// <inheritdoc/>
    public bool Equals(TensorShape other) => Dimensions.SequenceEqual(other.Dimensions);

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) => obj is TensorShape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (int dimension in Dimensions) hash.Add(dimension);
        return hash.ToHashCode();
    }

    /// <summary>The shape as <c>[1, 3, 32, 32]</c>.</summary>
    public override string ToString() => $"[{string.Join(", ", _dimensions ?? [])}]";

    /// <summary>Whether two shapes have the same dimensions.</summary>
    public static bool operator ==(TensorShape left, TensorShape right) => left.Equals(right);

    /// <summary>Whether two shapes differ.</summary>
    public static bool operator !=(TensorShape left, TensorShape right) => !left.Equals(right);
}
