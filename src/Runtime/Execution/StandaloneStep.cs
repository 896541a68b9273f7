using CoInference.Kernels.Devices;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>One step of a session alone, on random data and random weights of the same density, for timing.</summary>
public sealed unsafe class StandaloneStep : IDisposable
{
    private readonly Step _step;
    private readonly List<object> _memory = [];
    private readonly WorkerSet? _ownedWorkers;

    private StandaloneStep(StepSpec spec, StepRecipe recipe, WorkerSet? workers)
    {
        Spec = spec;
        WorkerSet set = workers ?? (_ownedWorkers = recipe.Threads == 1 ? null : new WorkerSet(recipe.Threads)) ?? WorkerSet.Single;
        PreparedStep prepared = recipe.Operation.Prepare(recipe.Variant, randomWeights: true);
        nint[] inputs = Place(recipe.Operation.Inputs, recipe.Variant.Inputs);
        nint[] outputs = Place(recipe.Operation.Outputs, recipe.Variant.Outputs);
        nint scratch = Allocate(prepared.ScratchBytes?.Invoke(recipe.Threads) ?? 0);
        _step = prepared.Bind(new StepBuffers(inputs, outputs, scratch, set));
    }

    /// <summary>The step.</summary>
    public StepSpec Spec { get; }

    /// <summary>Builds the step that a spec describes.</summary>
    /// <param name="spec">A spec made by <see cref="Session.Describe"/> or <see cref="Session.Steps"/>.</param>
    /// <param name="workers">Threads to run on, as many as the spec was planned for; null for a set of the step's own.</param>
    /// <exception cref="ArgumentException">No planner made the spec, or the set has another number of threads.</exception>
    public static StandaloneStep Create(StepSpec spec, WorkerSet? workers = null)
    {
        ArgumentNullException.ThrowIfNull(spec);
        if (spec.Recipe is not { } recipe) throw new ArgumentException($"Step '{spec}' cannot be built alone: no session planned it.", nameof(spec));
        if (workers is not null && workers.Threads != recipe.Threads)
            throw new ArgumentException($"Step '{spec}' was planned for {recipe.Threads} threads, not {workers.Threads}.", nameof(workers));
        return new StandaloneStep(spec, recipe, workers);
    }

    /// <summary>Runs the step once. One caller at a time.</summary>
    public void Run()
    {
        _step.Run();
        GC.KeepAlive(this);
    }

    /// <summary>Stops the threads the step started, if any.</summary>
    public void Dispose() => _ownedWorkers?.Dispose();

    private nint[] Place(List<PlanValue> values, ActivationLayout[] layouts)
    {
        var places = new nint[values.Count];
        for (int i = 0; i < places.Length; i++)
        {
            PlanValue value = values[i];
            if (value.Constant is { } constant && layouts[i].IsNchw)
            {
                _memory.Add(constant);
                places[i] = (nint)constant.Pointer;
                continue;
            }

            places[i] = Allocate(value.Bytes(layouts[i]));
            if (value.Type == ElementType.Float32) RandomWeights.Fill(new Span<float>((void*)places[i], (int)(value.Bytes(layouts[i]) / sizeof(float))));
        }

        return places;
    }

    private nint Allocate(long bytes)
    {
        var buffer = new AlignedBuffer(Arena.Padded(bytes));
        _memory.Add(buffer);
        return (nint)buffer.Pointer;
    }
}
