using CoInference.Kernels.Gpu;
using CoInference.Runtime.Execution;

namespace CoInference.Runtime.DeviceChecks;

/// <summary>What one case of a kernel gave.</summary>
/// <param name="Case">Shape and whatever else the case is about.</param>
/// <param name="Error">Largest difference from the reference, relative to its largest magnitude; infinite when a result is no number and should be.</param>
/// <param name="Bound">What rounding may make of it; 0 when the results must be equal.</param>
internal readonly record struct CheckOutcome(string Case, double Error, double Bound)
{
    /// <summary>Whether the results are as close to the reference as they have to be.</summary>
    public bool IsCorrect => Error <= Bound;

    /// <summary>Compares floats; NaN is equal to NaN only.</summary>
    public static CheckOutcome Of(string name, double bound, ReadOnlySpan<float> expected, ReadOnlySpan<float> actual) => new(name, Deviation.Of(expected, actual), bound);

    /// <summary>Results that are equal or not.</summary>
    /// <param name="name">The case.</param>
    /// <param name="wrong">Results that differ.</param>
    /// <param name="count">Results.</param>
    public static CheckOutcome OfEqual(string name, int wrong, int count) => new($"{name}: {wrong} of {count} differ", wrong == 0 ? 0 : double.PositiveInfinity, 0);
}

/// <summary>A kernel and the cases that it is run on.</summary>
/// <param name="Kernel">Name of the row of a list of kernels, or of the operator.</param>
/// <param name="Cases">Each runs the kernel once on a device; null when the kernel does not take the case there.</param>
internal sealed record KernelCheck(string Kernel, IEnumerable<Func<ComputeDevice, CheckOutcome?>> Cases);
