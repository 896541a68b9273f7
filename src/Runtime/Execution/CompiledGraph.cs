using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Execution;

/// <summary>What sessions of one graph share: the plan, the packed weights and every value's place in the arenas.</summary>
internal sealed unsafe class CompiledGraph
{
    private readonly PreparedStep[] _prepared = [];
    private readonly ComputeDevice? _device;
    private readonly Dictionary<Storage, DeviceBuffer> _deviceConstants = [];
    private readonly long _arenaBytes;
    private readonly long _deviceArenaBytes;
    private readonly long _scratchBytes;
    private int _sessions;

    private CompiledGraph(Graph graph, Compilation compilation, SessionOptions options)
    {
        Repeats = compilation.Repeats;
        Threads = compilation.Threads;
        Inputs = compilation.Inputs;
        Outputs = compilation.Outputs;
        _device = options.Device;
        if (compilation.Plan is not { } plan)
        {
            if (options is { Device: { } device, Strict: true })
                throw new NotSupportedException($"Graph '{graph.Name}' has shapes that depend on data and cannot run on {device.Description.Id}; without --strict it runs on the CPU.");
            Interpreted = graph;
            Specs = [InterpreterSpec(graph, options)];
            Plan = null!;
            return;
        }

        Plan = plan;
        Specs = plan.Describe();
        (_arenaBytes, _deviceArenaBytes) = Arena.Plan(plan);
        _prepared = new PreparedStep[plan.Steps.Count];
        try
        {
            for (int i = 0; i < _prepared.Length; i++)
            {
                PlannedStep step = plan.Steps[i];
                _prepared[i] = step.Variant.Device is null
                    ? options.SharedWeights?.Prepare(step, Specs[i]) ?? step.Operation.Prepare(step.Variant, randomWeights: false)
                    : step.Operation.PrepareOnDevice(step.Variant, randomWeights: false);
                _scratchBytes = Math.Max(_scratchBytes, _prepared[i].ScratchBytes?.Invoke(Threads) ?? 0);
            }

            UploadConstants();
            long limit = ExecutionLimits.Default.MaxLiveBytes * Math.Max(1, options.BatchSize / Repeats), needed = _arenaBytes + _scratchBytes + _deviceArenaBytes;
            if (needed > limit) throw new InvalidDataException($"Graph '{graph.Name}' needs {needed} bytes of activations at batch {options.BatchSize}; the limit is {limit}.");
        }
        catch
        {
            FreeDeviceMemory();
            throw;
        }
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

    /// <summary>Threads that share each step: those asked for, or one when the whole graph is less work than handing it over.</summary>
    public int Threads { get; }

    public static CompiledGraph Create(Graph graph, SessionOptions options)
    {
        Compilation compilation = Compilation.Create(graph, options);
        return new CompiledGraph(compilation.Graph, compilation, options);
    }

    public static StepSpec[] Describe(Graph graph, SessionOptions options) =>
        Compilation.Create(graph, options).Plan?.Describe() ?? [InterpreterSpec(graph, options)];

    /// <summary>Takes memory for one session and binds the steps to it.</summary>
    /// <exception cref="ObjectDisposedException">The last session of the graph was disposed of.</exception>
    /// <exception cref="DeviceException">The device has not enough memory.</exception>
    public BoundGraph Bind(WorkerSet workers)
    {
        ObjectDisposedException.ThrowIf(Interlocked.Increment(ref _sessions) <= 0, typeof(Session));
        if (Interpreted is not null) return new BoundGraph(this, null, null, [], []);
        var steps = new Step[_prepared.Length];
        DeviceBuffer? deviceArena = null;
        try
        {
            var arena = new AlignedBuffer(_arenaBytes + Arena.Padded(_scratchBytes));
            deviceArena = _deviceArenaBytes > 0 ? _device!.Allocate(_deviceArenaBytes) : null;
            nint scratch = (nint)arena.Pointer + (nint)_arenaBytes;
            for (int i = 0; i < steps.Length; i++)
            {
                PlannedStep planned = Plan.Steps[i];
                var buffers = new StepBuffers(
                    [.. planned.Inputs.Select(value => Address(value, arena))], [.. planned.Outputs.Select(value => Address(value, arena))], scratch, workers)
                {
                    DeviceInputs = [.. planned.Inputs.Select(value => View(value, deviceArena))],
                    DeviceOutputs = [.. planned.Outputs.Select(value => View(value, deviceArena))],
                };
                steps[i] = _prepared[i].Bind(buffers);
            }

            return new BoundGraph(this, arena, deviceArena, steps, _device is null ? steps : SequenceStep.Record(steps, _device));
        }
        catch
        {
            new BoundGraph(this, null, deviceArena, [.. steps.Where(step => step is not null)], []).Dispose();
            throw;
        }
    }

    /// <summary>Gives up one session's share; the last one frees the weights on the device.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _sessions) > 0) return;
        Volatile.Write(ref _sessions, int.MinValue);
        FreeDeviceMemory();
    }

    /// <summary>Where a value lies in a session's host memory; zero for one on the device.</summary>
    public static nint Address(PhysicalValue value, AlignedBuffer arena)
    {
        Storage root = value.Storage.Root;
        if (root.IsOnDevice) return 0;
        return root.Constant is { } constant ? (nint)constant.Pointer : (nint)arena.Pointer + (nint)root.Offset;
    }

    /// <summary>Where a value lies in a session's device memory, as the floats that its bytes reach into; the default for one on the host.</summary>
    public DeviceView<float> View(PhysicalValue value, DeviceBuffer? arena)
    {
        Storage root = value.Storage.Root;
        if (!root.IsOnDevice) return default;
        long count = Floats(value.Bytes);
        return root.Constant is not null ? _deviceConstants[root].View<float>(0, count) : arena!.View<float>(root.Offset / sizeof(float), count);
    }

    private static long Floats(long bytes) => (bytes + sizeof(float) - 1) / sizeof(float);

    private void UploadConstants()
    {
        foreach (PhysicalValue value in Plan.Steps.SelectMany(step => step.Inputs))
        {
            Storage root = value.Storage.Root;
            if (root is not { IsOnDevice: true, Constant: { } constant } || _deviceConstants.ContainsKey(root)) continue;
            DeviceBuffer buffer = _deviceConstants[root] = _device!.Allocate(sizeof(float) * Floats(constant.Bytes.Length));
            buffer.Write(constant.Bytes);
        }
    }

    private void FreeDeviceMemory()
    {
        foreach (PreparedStep? prepared in _prepared) prepared?.Weights?.Dispose();
        foreach (DeviceBuffer constant in _deviceConstants.Values) constant.Dispose();
        _deviceConstants.Clear();
    }

    private static StepSpec InterpreterSpec(Graph graph, SessionOptions options) => new()
    {
        Node = graph.Name,
        Op = "Graph",
        Kernel = "interpreter",
        Key = $"Graph|interpreter|{graph.Name}|{graph.Nodes.Count}|b{options.BatchSize}",
    };
}
