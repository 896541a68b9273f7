using System.Numerics;

namespace CoInference.Runtime.Execution;

/// <summary>How far results are from a reference: the largest difference, relative to the reference's largest magnitude.</summary>
internal struct Deviation
{
    private double _largest, _difference;

    /// <summary>The difference; absolute where the reference is zero, infinite where a result is no number and should be.</summary>
    public readonly double Relative => _largest == 0 || !double.IsFinite(_difference) ? _difference : _difference / _largest;

    /// <summary>The difference between lists of equal length.</summary>
    public static double Of<T>(ReadOnlySpan<T> expected, ReadOnlySpan<T> actual)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        var deviation = default(Deviation);
        deviation.Add(expected, actual);
        return deviation.Relative;
    }

    /// <summary>Takes in results; NaN is equal to NaN only.</summary>
    /// <exception cref="ArgumentException">The lists differ in length.</exception>
    public void Add<T>(ReadOnlySpan<T> expected, ReadOnlySpan<T> actual)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        if (expected.Length != actual.Length) throw new ArgumentException($"{actual.Length} results, expected {expected.Length}.", nameof(actual));
        for (int i = 0; i < expected.Length; i++)
        {
            double wanted = double.CreateTruncating(expected[i]), got = double.CreateTruncating(actual[i]);
            if (double.IsFinite(wanted)) _largest = Math.Max(_largest, Math.Abs(wanted));
            if (wanted == got || (double.IsNaN(wanted) && double.IsNaN(got))) continue;
            double error = Math.Abs(wanted - got);
            _difference = double.IsFinite(error) ? Math.Max(_difference, error) : double.PositiveInfinity;
        }
    }
}
