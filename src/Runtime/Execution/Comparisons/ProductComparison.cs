using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;

namespace CoInference.Runtime.Execution;

/// <summary>One kernel of a stack of products, timed and checked.</summary>
/// <param name="Kernel">Kernel name.</param>
/// <param name="MedianMicroseconds">Median time of one run.</param>
/// <param name="P10Microseconds">Time that a tenth of the samples stay below.</param>
/// <param name="P90Microseconds">Time that nine tenths of the samples stay below.</param>
/// <param name="Gflops">Operations (two per multiply-add) per median time, in 1e9 per second.</param>
/// <param name="MaxRelativeError">Largest difference from the definition, relative to its largest magnitude.</param>
/// <param name="IsPicked">Whether <see cref="DeviceOperators.Gemm"/> would run the product on this kernel.</param>
/// <param name="ErrorBound">What summation in any order may make of <paramref name="MaxRelativeError"/>.</param>
public sealed record ProductTiming(
    string Kernel, double MedianMicroseconds, double P10Microseconds, double P90Microseconds, double Gflops, double MaxRelativeError, bool IsPicked, double ErrorBound)
{
    /// <summary>Whether the result is as close to the definition as it has to be.</summary>
    public bool IsCorrect => MaxRelativeError <= ErrorBound;
}

/// <summary>All kernels of a device that can compute a stack of products with a bias per column, timed against each other and checked against the definition.</summary>
/// <param name="Shape">The products.</param>
/// <param name="Rows">One row per kernel, fastest first.</param>
public sealed record ProductComparison(GemmShape Shape, IReadOnlyList<ProductTiming> Rows)
{
    /// <summary>Times and checks every kernel on random matrices; of more than 2^29 multiply-adds, some rows of the result are checked.</summary>
    /// <param name="device">The device; times are by its own clock.</param>
    /// <param name="shape">The products.</param>
    /// <param name="rounds">Samples per kernel, at least 1.</param>
    /// <param name="cancellation">Stops between samples.</param>
    /// <exception cref="DeviceException">The device has not enough memory, or was lost.</exception>
    /// <exception cref="NotSupportedException">No kernel of this build computes the products.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static ProductComparison Run(ComputeDevice device, GemmShape shape, int rounds = KernelComparison.DefaultRounds, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        // A bias per column is what every row can add, those that split the depth only that.
        var epilogue = new GemmEpilogue(Bias: GemmBias.PerColumn);
        DeviceGemmKernel picked = DeviceGemmKernels.Choose(shape, epilogue, device.Limits)
            ?? throw new NotSupportedException($"No kernel of this build computes products {shape} on {device.Description.Id}.");
        DeviceGemmKernel[] kernels = [.. DeviceGemmKernels.All.Where(kernel => kernel.Supports(shape, epilogue, device.Limits))];
        var product = new RandomProduct(shape, epilogue);
        var runs = new List<ProductRun>();
        try
        {
            foreach (DeviceGemmKernel kernel in kernels) runs.Add(new ProductRun(product, device, kernel));
            double[] errors = [.. runs.Select(run => run.MaxRelativeError())];
            double[][] samples = InterleavedTimer.Measure([.. runs.Select(run => (Func<int, double>)run.Sample)], rounds, cancellation);
            ProductTiming[] rows =
            [
                .. kernels.Select((kernel, i) => new ProductTiming(
                    kernel.Name,
                    InterleavedTimer.Quantile(samples[i], 0.5),
                    InterleavedTimer.Quantile(samples[i], 0.1),
                    InterleavedTimer.Quantile(samples[i], 0.9),
                    2e-3 * shape.MultiplyAdds / InterleavedTimer.Quantile(samples[i], 0.5),
                    errors[i],
                    kernel == picked,
                    runs[i].ErrorBound)),
            ];
            Array.Sort(rows, (a, b) => a.MedianMicroseconds.CompareTo(b.MedianMicroseconds));
            return new ProductComparison(shape, rows);
        }
        finally
        {
            foreach (ProductRun run in runs) run.Dispose();
        }
    }
}
