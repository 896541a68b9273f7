using CoInference.Kernels.Devices;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Execution;

/// <summary>What sessions of one graph share: the plan, the packed weights and every value's place in the arena.</summary>
internal sealed unsafe class CompiledGraph
{
    private readonly PreparedStep[] _prepared = [];
    private readonly long _arenaBytes;
    private readonly long _scratchBytes;

    private CompiledGraph(Graph graph, Compilation compilation, SessionOptions options)
    {
        Repeats = compilation.Repeats;
        Inputs = compilation.Inputs;
        Outputs = compilation.Outputs;
        if (compilation.Plan is not { } plan)
        {
            Interpreted = graph;
            Specs = [InterpreterSpec(graph, options)];
            Plan = null!;
            return;
        }

        Plan = plan;
        Specs = plan.Describe();
        _prepared = [.. plan.Steps.Select((step, i) => options.SharedWeights?.Prepare(step, Specs[i]) ?? step.Operation.Prepare(step.Variant, randomWeights: false))];
        foreach (PreparedStep prepared in _prepared) _scratchBytes = Math.Max(_scratchBytes, prepared.ScratchBytes?.Invoke(options.EffectiveThreads) ?? 0);
        _arenaBytes = Arena.Plan(plan);
        long limit = ExecutionLimits.Default.MaxLiveBytes * Math.Max(1, options.BatchSize / Repeats);
        if (_arenaBytes + _scratchBytes > limit)
            throw new InvalidDataException($"Graph '{graph.Name}' needs {_arenaBytes + _scratchBytes} bytes of activations at batch {options.BatchSize}; the limit is {limit}.");
    }

    /// <summary>The graph, when its shapes depend on data and no plan can be made.</summary>
    public Graph? Interpreted { get; }

    /// <summary>The plan; not to be touched when <see cref="Interpreted"/> is set.</summary>
    public ExecutionPlan Plan { get; }

    /// <summary>The steps.</summary>
    public StepSpec[] Specs { get; }

    /// <summary>Inputs with shapes at the session's batch size.</summary>
    public SessionValue[] Inputs { get; }

    /// <summary>Outputs with shapes at the session's batch size.</summary>
    public SessionValue[] Outputs { get; }

    /// <summary>How often the plan runs for one batch: more than once when the graph's batch is fixed at 1.</summary>
    public int Repeats { get; }

    public static CompiledGraph Create(Graph graph, SessionOptions options)
    {
        Compilation compilation = Compilation.Create(graph, options);
        return new CompiledGraph(compilation.Graph, compilation, options);
    }

    public static StepSpec[] Describe(Graph graph, SessionOptions options) =>
        Compilation.Create(graph, options).Plan?.Describe() ?? [InterpreterSpec(graph, options)];

    /// <summary>Takes memory for one session and binds the steps to it.</summary>
    public (AlignedBuffer? Arena, Step[] Steps) Bind(WorkerSet workers)
    {
        if (Interpreted is not null) return (null, []);
        var arena = new AlignedBuffer(_arenaBytes + Arena.Padded(_scratchBytes));
        var steps = new Step[_prepared.Length];
        for (int i = 0; i < steps.Length; i++)
        {
            PlannedStep planned = Plan.Steps[i];
            nint[] inputs = [.. planned.Inputs.Select(value => Address(value, arena))];
            nint[] outputs = [.. planned.Outputs.Select(value => Address(value, arena))];
            steps[i] = _prepared[i].Bind(new StepBuffers(inputs, outputs, (nint)arena.Pointer + (nint)_arenaBytes, workers));
        }

        return (arena, steps);
    }

    /// <summary>Where a value lies in a session's memory.</summary>
    public static nint Address(PhysicalValue value, AlignedBuffer arena)
    {
        Storage root = value.Storage.Root;
        return root.Constant is { } constant ? (nint)constant.Pointer : (nint)arena.Pointer + (nint)root.Offset;
    }

    private static StepSpec InterpreterSpec(Graph graph, SessionOptions options) => new()
    {
        Node = graph.Name,
        Op = "Graph",
        Kernel = "interpreter",
        Key = $"Graph|interpreter|{graph.Name}|{graph.Nodes.Count}|b{options.BatchSize}",
    };
}
