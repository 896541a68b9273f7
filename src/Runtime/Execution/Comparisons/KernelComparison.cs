using System.Diagnostics;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Execution;

/// <summary>One candidate kernel of a layer, timed and checked.</summary>
/// <param name="Kernel">Kernel name.</param>
/// <param name="Form">Weight form whose zeros the kernel skips.</param>
/// <param name="Tile">Register tile.</param>
/// <param name="Sparsity">Share of the weights (of the blocks for <see cref="WeightForm.Block"/>) that are zero, 0 to 1; 0 for kernels that skip none.</param>
/// <param name="Threads">Threads.</param>
/// <param name="MedianMicroseconds">Median time of one run.</param>
/// <param name="P10Microseconds">Time that a tenth of the samples stay below.</param>
/// <param name="P90Microseconds">Time that nine tenths of the samples stay below.</param>
/// <param name="Gflops">Floating-point operations of the dense layer per median time, in 1e9 per second.</param>
/// <param name="MaxRelativeError">Largest difference from the scalar reference, relative to its largest magnitude.</param>
/// <param name="IsPicked">Whether a session would run the layer on this kernel.</param>
/// <param name="VersusDense">Median time of the fastest dense kernel of the same run over that of this kernel: above 1 the zeros pay.</param>
/// <param name="ErrorBound">What rounding may make of <paramref name="MaxRelativeError"/>: the kernel's stated bound, or that of summation.</param>
/// <param name="FloorMicroseconds">Time of the multiply-adds that the kernel does, at the peak of the widest vector unit in the same run, all threads; null on a device.</param>
public sealed record KernelTiming(
    string Kernel,
    WeightForm Form,
    string Tile,
    double Sparsity,
    int Threads,
    double MedianMicroseconds,
    double P10Microseconds,
    double P90Microseconds,
    double Gflops,
    double MaxRelativeError,
    bool IsPicked,
    double VersusDense,
    double ErrorBound,
    double? FloorMicroseconds)
{
    /// <summary>Whether the result is as close to the reference as it has to be.</summary>
    public bool IsCorrect => MaxRelativeError <= ErrorBound;
}

/// <summary>All kernels that can run one layer, timed against each other and checked against the scalar reference.</summary>
/// <param name="Shape">The layer.</param>
/// <param name="Rows">One row per kernel, fastest first.</param>
/// <param name="PeakGflops">Fused multiply-adds in registers of one thread, times two, in 1e9 per second: the median of the same run; null on a device.</param>
public sealed record KernelComparison(ConvShape Shape, IReadOnlyList<KernelTiming> Rows, double? PeakGflops)
{
    private const int PeakIterations = 4096;

    /// <summary>Samples per kernel that <see cref="Run"/> takes when the caller does not say.</summary>
    public const int DefaultRounds = 15;

    /// <summary>Median time of the pick over that of the fastest kernel: 1 when the choice is right.</summary>
    public double PickOverBest => Rows.First(row => row.IsPicked).MedianMicroseconds / Rows.Min(row => row.MedianMicroseconds);

    /// <summary>How many times faster than the fastest dense kernel the fastest kernel of <paramref name="form"/> is; 0 when none of it ran.</summary>
    public double BestVersusDense(WeightForm form) => Rows.Where(row => row.Form == form).Select(row => row.VersusDense).DefaultIfEmpty().Max();

    /// <summary>
    /// How many times faster than the fastest dense kernel of the run a kernel of <paramref name="form"/> would be that did nothing but its
    /// multiply-adds; null when none of the form ran, and on a device.
    /// </summary>
    public double? FloorVersusDense(WeightForm form) => Rows.Where(row => row.Form == form).Select(row => row.MedianMicroseconds * row.VersusDense / row.FloorMicroseconds).Max();

    /// <summary>
    /// The sparsity from which on a form is faster than dense: where the straight lines through its measured ratios last pass
    /// 1 from below.
    /// </summary>
    /// <param name="runs">One comparison for each sparsity.</param>
    /// <param name="form">The form of all of them.</param>
    /// <returns>The sparsity; that of the least sparse run when all are faster than dense, null when the sparsest is slower.</returns>
    public static double? BreakEven(IReadOnlyList<(double Sparsity, KernelComparison Comparison)> runs, WeightForm form)
    {
        ArgumentNullException.ThrowIfNull(runs);
        (double Sparsity, double Ratio)[] points = [.. runs.Select(run => (run.Sparsity, run.Comparison.BestVersusDense(form))).OrderBy(point => point.Sparsity)];
        int last = Array.FindLastIndex(points, point => point.Ratio < 1);
        if (last < 0) return points.Length == 0 ? null : points[0].Sparsity;
        if (last == points.Length - 1) return null;
        (double from, double below) = points[last];
        (double to, double above) = points[last + 1];
        return from + ((to - from) * (1 - below) / (above - below));
    }

    /// <summary>Times and checks every kernel on a layer of random weights.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="form">How the zeros are placed; <see cref="WeightForm.Dense"/> for none.</param>
    /// <param name="sparsity">Share of zero weights (of zero blocks for <see cref="WeightForm.Block"/>), 0 to below 1.</param>
    /// <param name="threads">Threads, at least 1.</param>
    /// <param name="epilogue">What is fused into the store; a residual of random values is made when it has one.</param>
    /// <param name="chooser">Whose pick is marked; null for the default.</param>
    /// <param name="rounds">Samples per kernel.</param>
    /// <param name="precise">Whether kernels with a rounding error beyond that of summation are left out.</param>
    /// <param name="device">A device whose kernels are compared, by its own clock; null for those of the CPU.</param>
    /// <param name="precisions">To what kernels of the device may round factors; null for not at all. Those that do not round are compared always.</param>
    /// <param name="cancellation">Stops between samples.</param>
    /// <exception cref="DeviceException">The device has not enough memory, or was lost.</exception>
    /// <exception cref="ArgumentException">The shape is invalid or a number is out of range.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static KernelComparison Run(
        ConvShape shape,
        WeightForm form = WeightForm.Dense,
        double sparsity = 0,
        int threads = 1,
        Epilogue epilogue = default,
        KernelChooser? chooser = null,
        int rounds = DefaultRounds,
        bool precise = false,
        ComputeDevice? device = null,
        IReadOnlyCollection<ProductPrecision>? precisions = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(shape);
        shape.Validate();
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        if (!(sparsity >= 0 && sparsity < 1)) throw new ArgumentOutOfRangeException(nameof(sparsity), sparsity, "Expected at least 0 and less than 1.");
        if (form == WeightForm.Dense && sparsity > 0) throw new ArgumentException("A dense layer has no sparsity; name the form of the zeros.", nameof(sparsity));
        chooser ??= KernelChooser.Default;

        var layer = new RandomLayer(shape, epilogue, form, 1 - sparsity);
        IEnumerable<DeviceConvKernel> rowsOfDevice = DeviceKernelChoice.Rows(precise, precisions ?? []);
        IReadOnlyList<StepVariant> offered = device is null
            ? chooser.Convolutions(shape, epilogue, layer.Zeros, threads, precise)
            : DeviceKernelChoice.Convolutions(device, rowsOfDevice, shape, epilogue, layer.Zeros, chooser);
        string picked = offered.MinBy(variant => variant.Microseconds)?.Kernel
            ?? throw new NotSupportedException($"No kernel of this build runs convolution {shape}{(device is null ? "" : $" on {device.Description.Id}")}.");
        StepVariant[] candidates = device is null
            ? [.. chooser.AllConvolutions(shape, epilogue, layer.Zeros, threads, precise)]
            : [.. DeviceKernelChoice.AllConvolutions(device, rowsOfDevice, shape, epilogue, layer.Zeros, chooser)];
        using WorkerSet? own = threads > 1 ? new WorkerSet(threads) : null;
        WorkerSet workers = own ?? WorkerSet.Single;
        LayerRun[] runs = [.. candidates.Select(candidate => LayerRun.Create(layer, candidate, workers))];
        double[] errors, bounds;
        double[][] samples;
        try
        {
            errors = [.. runs.Select(run => run.MaxRelativeError())];
            bounds = [.. runs.Select(run => run.ErrorBound())];
            Func<int, double>[] work = [.. runs.Select(run => (Func<int, double>)run.Sample)];
            samples = InterleavedTimer.Measure(device is null ? [.. work, SamplePeak] : work, rounds, cancellation);
        }
        finally
        {
            foreach (LayerRun run in runs) run.Dispose();
        }

        double? peak = device is null ? PeakIterations * FmaLoop.FlopsPerIteration(CpuFeatures.Widest) / InterleavedTimer.Quantile(samples[^1], 0.5) / 1e3 : null;

        double[] medians = [.. samples.Take(runs.Length).Select(sample => InterleavedTimer.Quantile(sample, 0.5))];
        double dense = Enumerable.Range(0, medians.Length).Where(i => candidates[i].ConvolutionForm == WeightForm.Dense).Min(i => medians[i]);
        var rows = new KernelTiming[runs.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            StepVariant candidate = candidates[i];
            double median = medians[i];
            rows[i] = new KernelTiming(
                candidate.Kernel,
                candidate.ConvolutionForm,
                candidate.Convolution?.Kernel.Tile ?? "",
                candidate.ConvolutionForm switch
                {
                    WeightForm.Unstructured => 1 - layer.Zeros.Weights,
                    WeightForm.Block => 1 - layer.Zeros.Blocks,
                    _ => 0,
                },
                threads,
                median,
                InterleavedTimer.Quantile(samples[i], 0.1),
                InterleavedTimer.Quantile(samples[i], 0.9),
                2e-3 * shape.MultiplyAdds / median,
                errors[i],
                candidate.Kernel == picked,
                dense / median,
                bounds[i],
                2e-3 * runs[i].MultiplyAdds / peak / threads);
        }

        Array.Sort(rows, (a, b) => a.MedianMicroseconds.CompareTo(b.MedianMicroseconds));
        return new KernelComparison(shape, rows, peak);
    }

    private static double SamplePeak(int runs)
    {
        long started = Stopwatch.GetTimestamp();
        for (int i = 0; i < runs; i++) FmaLoop.Run(CpuFeatures.Widest, PeakIterations);
        return Stopwatch.GetElapsedTime(started).TotalMicroseconds / runs;
    }
}
