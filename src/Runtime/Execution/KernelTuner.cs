using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Execution;

/// <summary>How far a tuning run is.</summary>
/// <param name="Done">Layers measured.</param>
/// <param name="Total">Layers to measure.</param>
/// <param name="Layer">The layer just measured.</param>
public readonly record struct TuningProgress(int Done, int Total, string Layer);

/// <summary>Times the candidate kernels of layers on this machine and teaches a <see cref="KernelChooser"/> the results.</summary>
public static class KernelTuner
{
    private const int Rounds = 9;

    /// <summary>
    /// Measures, for every convolution of the steps, all kernels that could run it, interleaved, and records the median
    /// of each. Layers that the chooser already has measurements of all candidates for are skipped.
    /// </summary>
    /// <param name="steps">Steps from <see cref="Session.Describe"/>; other than convolutions are passed over.</param>
    /// <param name="chooser">Receives the times; save it with <see cref="KernelCache.Save"/>.</param>
    /// <param name="progress">Told after each layer.</param>
    /// <param name="cancellation">Stops between samples; what was measured stays recorded.</param>
    /// <returns>Layers measured.</returns>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static int Tune(
        IEnumerable<StepSpec> steps, KernelChooser chooser, IProgress<TuningProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(steps);
        ArgumentNullException.ThrowIfNull(chooser);
        var layers = new Dictionary<string, (ConvOperation Layer, StepVariant[] Candidates, PlanContext Context)>(StringComparer.Ordinal);
        foreach (StepSpec step in steps)
        {
            if (step.Recipe is not { Operation: ConvOperation layer, Threads: var threads, Variant: var variant, Precision: var precision }) continue;
            var context = new PlanContext(threads, chooser, null, Device: variant.Device?.Device, Precision: precision);
            StepVariant[] candidates = Candidates(layer.Shape, layer.Epilogue, layer.Weights.Zeros, context);
            string missing = string.Join('\n', candidates.Select(candidate => candidate.ConvolutionKey).Where(key => chooser.MeasuredMicroseconds(key) is null));
            if (missing.Length > 0) layers.TryAdd(missing, (layer, candidates, context));
        }

        int done = 0;
        foreach ((ConvOperation layer, StepVariant[] candidates, PlanContext context) in layers.Values)
        {
            Measure(layer, candidates, context, cancellation);
            done++;
            progress?.Report(new TuningProgress(done, layers.Count, $"{layer.Shape}"));
        }

        return done;
    }

    /// <summary>
    /// As <see cref="Tune(IEnumerable{StepSpec}, KernelChooser, IProgress{TuningProgress}?, CancellationToken)"/> for all
    /// layers of a graph.
    /// </summary>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static int Tune(
        Graph graph, SessionOptions options, KernelChooser chooser, IProgress<TuningProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        return Tune(Session.Describe(graph, options with { Chooser = chooser }), chooser, progress, cancellation);
    }

    /// <summary>As for the layers of a network, for one layer of random weights.</summary>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    internal static void Tune(RandomLayer layer, KernelChooser chooser, int threads, CancellationToken cancellation)
    {
        StepVariant[] candidates = Candidates(layer.Shape, layer.Epilogue, layer.Zeros, new PlanContext(threads, chooser, null));
        using WorkerSet? own = threads > 1 ? new WorkerSet(threads) : null;
        LayerRun[] runs = [.. candidates.Select(candidate => LayerRun.Create(layer, candidate, own ?? WorkerSet.Single))];
        Record(candidates, InterleavedTimer.Measure([.. runs.Select(run => (Func<int, double>)run.Sample)], Rounds, cancellation), chooser);
    }

    /// <summary>
    /// Candidates worth timing: those whose estimate is not hopeless, so that a layer with a fast kernel is not also run
    /// on a scalar one.
    /// </summary>
    private static StepVariant[] Candidates(ConvShape shape, Epilogue epilogue, WeightZeros zeros, PlanContext context)
    {
        const double Hopeless = 6;
        if (context.Device is { } device)
        {
            IEnumerable<DeviceConvKernel> rows = DeviceKernelChoice.Rows(precise: false, context.Precision);
            return [.. DeviceKernelChoice.AllConvolutions(device, rows, shape, epilogue, zeros, context.Chooser)];
        }

        StepVariant[] all = [.. context.Chooser.AllConvolutions(shape, epilogue, zeros, context.Threads, precise: false)];
        double Estimate(StepVariant variant) => variant.Convolution!.Kernel.EstimateMicroseconds(shape, variant.Convolution.Density);
        double best = all.Min(Estimate);
        return [.. all.Where(variant => Estimate(variant) <= Hopeless * best)];
    }

    private static void Measure(ConvOperation layer, StepVariant[] candidates, PlanContext context, CancellationToken cancellation)
    {
        using WorkerSet? own = context.Threads > 1 ? new WorkerSet(context.Threads) : null;
        var steps = new List<StandaloneStep>(candidates.Length);
        try
        {
            foreach (StepVariant candidate in candidates) steps.Add(StandaloneStep.Create(layer.Describe(candidate, context), own ?? WorkerSet.Single));
            Record(candidates, InterleavedTimer.Measure([.. steps.Select(step => (Func<int, double>)step.Sample)], Rounds, cancellation), context.Chooser);
        }
        finally
        {
            foreach (StandaloneStep step in steps) step.Dispose();
        }
    }

    private static void Record(StepVariant[] candidates, double[][] samples, KernelChooser chooser)
    {
        for (int i = 0; i < candidates.Length; i++) chooser.Record(candidates[i].ConvolutionKey, InterleavedTimer.Quantile(samples[i], 0.5));
    }
}
