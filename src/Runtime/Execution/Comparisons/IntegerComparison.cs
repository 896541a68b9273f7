using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Quantized;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>One kernel of a layer in 8-bit integers, or a float kernel beside it.</summary>
/// <param name="Kernel">Kernel name.</param>
/// <param name="Type">Type of the input.</param>
/// <param name="Threads">Threads.</param>
/// <param name="MedianMicroseconds">Median time of one run.</param>
/// <param name="P10Microseconds">Time that a tenth of the samples stay below.</param>
/// <param name="P90Microseconds">Time that nine tenths of the samples stay below.</param>
/// <param name="Gops">Operations of the layer (two per multiply-add) per median time, in 1e9 per second.</param>
/// <param name="WrongSums">Sums that differ from the integer reference; null for a float kernel.</param>
/// <param name="IsPicked">Whether a session would run the layer of integers on this kernel.</param>
/// <param name="VersusDirect">Median time of the fastest direct float kernel over that of this kernel.</param>
public sealed record IntegerTiming(
    string Kernel,
    ElementType Type,
    int Threads,
    double MedianMicroseconds,
    double P10Microseconds,
    double P90Microseconds,
    double Gops,
    int? WrongSums,
    bool IsPicked,
    double VersusDirect);

/// <summary>
/// The kernels of a layer of 8-bit integers, timed against each other and against the float kernels of the same layer, and
/// compared sum by sum with the integer reference.
/// </summary>
/// <param name="Shape">The layer.</param>
/// <param name="Rows">One row per kernel, fastest first.</param>
public sealed record IntegerComparison(ConvShape Shape, IReadOnlyList<IntegerTiming> Rows)
{
    private const int ZeroPoint = 117;

    /// <summary>Times and checks unsigned inputs with signed weights, both over their whole ranges.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="threads">Threads, at least 1.</param>
    /// <param name="rounds">Samples per kernel.</param>
    /// <param name="device">A device whose kernels are compared, by its own clock; null for those of the CPU.</param>
    /// <param name="precisions">To what float kernels of the device may round factors; null for not at all.</param>
    /// <param name="cancellation">Stops between samples.</param>
    /// <exception cref="DeviceException">The device has not enough memory, or was lost.</exception>
    /// <exception cref="ArgumentException">The shape is invalid or a number is out of range.</exception>
    /// <exception cref="NotSupportedException">No integer kernel of the device runs the layer.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static IntegerComparison Run(
        ConvShape shape,
        int threads = 1,
        int rounds = KernelComparison.DefaultRounds,
        ComputeDevice? device = null,
        IReadOnlyCollection<ProductPrecision>? precisions = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(shape);
        shape.Validate();
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        using WorkerSet? own = threads > 1 ? new WorkerSet(threads) : null;
        WorkerSet workers = own ?? WorkerSet.Single;
        var layer = new RandomIntegerLayer(shape, isSigned: false, ZeroPoint, hasBias: false);
        var floatLayer = new RandomLayer(shape, Epilogue.Relu, WeightForm.Dense, density: 1);
        StepVariant[] candidates = device is null
            ? [.. KernelChooser.Default.AllConvolutions(shape, Epilogue.Relu, floatLayer.Zeros, threads, precise: false)]
            : [.. DeviceKernelChoice.AllConvolutions(device, DeviceKernelChoice.Rows(precise: false, precisions ?? []), shape, Epilogue.Relu, floatLayer.Zeros, KernelChooser.Default)];
        var integers = new List<IntegerLayerRun>();
        var floats = new List<LayerRun>();
        try
        {
            if (device is null) integers.AddRange(OnCpu(layer, workers));
            else integers.AddRange(DeviceIntegerConvKernels.All.Where(kernel => kernel.Supports(shape, device.Limits)).Select(kernel => new DeviceIntegerLayerRun(layer, device, kernel)));
            string picked = device is null ? integers[0].Kernel : DeviceIntegerConvKernels.Choose(shape, device.Limits)?.Name
                ?? throw new NotSupportedException($"No integer kernel of this build runs convolution {shape} on {device.Description.Id}.");
            foreach (StepVariant candidate in candidates) floats.Add(LayerRun.Create(floatLayer, candidate, workers));
            int[][] expected = [.. layer.CheckedImages.Select(layer.ExpectedSums)];
            int?[] wrong = [.. integers.Select(run => (int?)run.WrongSums(expected)), .. floats.Select(_ => (int?)null)];
            Func<int, double>[] work = [.. integers.Select(run => (Func<int, double>)run.Sample), .. floats.Select(run => (Func<int, double>)run.Sample)];
            double[][] samples = InterleavedTimer.Measure(work, rounds, cancellation);
            double[] medians = [.. samples.Select(sample => InterleavedTimer.Quantile(sample, 0.5))];
            string[] names = [.. integers.Select(run => run.Kernel), .. candidates.Select(candidate => candidate.Kernel)];
            double direct = Enumerable.Range(0, candidates.Length).Where(i => IsDirect(candidates[i])).Min(i => medians[integers.Count + i]);
            IntegerTiming[] rows =
            [
                .. Enumerable.Range(0, medians.Length).Select(i => new IntegerTiming(
                    names[i],
                    i < integers.Count ? ElementType.UInt8 : ElementType.Float32,
                    threads,
                    medians[i],
                    InterleavedTimer.Quantile(samples[i], 0.1),
                    InterleavedTimer.Quantile(samples[i], 0.9),
                    2e-3 * shape.MultiplyAdds / medians[i],
                    wrong[i],
                    IsPicked: i < integers.Count && names[i] == picked,
                    direct / medians[i])),
            ];
            Array.Sort(rows, (a, b) => a.MedianMicroseconds.CompareTo(b.MedianMicroseconds));
            return new IntegerComparison(shape, rows);
        }
        finally
        {
            foreach (IntegerLayerRun run in integers) run.Dispose();
            foreach (LayerRun run in floats) run.Dispose();
        }
    }

    // Kernels that add the products themselves, without rounding their factors.
    private static bool IsDirect(StepVariant candidate) => candidate.Device is { } device
        ? device.Kernel is { Form: WeightForm.Dense, ErrorUnits: null, FactorRoundoff: 0 }
        : candidate.Convolution!.Kernel is { Form: WeightForm.Dense, ErrorUnits: null };

    private static IEnumerable<IntegerLayerRun> OnCpu(RandomIntegerLayer layer, WorkerSet workers)
    {
        short[] packed = Array.ConvertAll(layer.Weights.ToArray(), weight => (short)weight);
        var first = new IntegerConv(layer.Shape, packed);
        yield return new CpuIntegerLayerRun(layer, first, workers);
        var portable = new IntegerConv(layer.Shape, packed, portable: true);
        if (portable.Name != first.Name) yield return new CpuIntegerLayerRun(layer, portable, workers);
    }
}
