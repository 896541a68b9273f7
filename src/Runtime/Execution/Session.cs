using System.Diagnostics;
using System.Runtime.InteropServices;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Execution;

/// <summary>
/// A graph compiled for one batch size: nodes fused, layouts and kernels chosen, weights packed and all memory planned,
/// so that a run of fast steps allocates nothing and takes no lock.
/// </summary>
/// <remarks>
/// An operator, element type or attribute without a fast step runs on its reference kernel inside the session; a graph
/// whose shapes depend on data runs on <see cref="Interpreter"/> as a whole. One caller at a time; <see cref="Fork"/>
/// gives further sessions that share the packed weights and may run at the same time.
/// </remarks>
public sealed unsafe class Session : IDisposable
{
    private readonly CompiledGraph _compiled;
    private readonly WorkerSet _workers;
    private readonly WorkerSet? _ownedWorkers;
    private readonly BoundGraph _bound;
    private readonly SessionBoundary? _boundary;

    private Session(CompiledGraph compiled, SessionOptions options)
    {
        _compiled = compiled;
        if (options.Workers is null && compiled.Threads > 1) _ownedWorkers = new WorkerSet(compiled.Threads);
        _workers = compiled.Threads == 1 ? WorkerSet.Single : options.Workers ?? _ownedWorkers!;
        Options = options;
        try
        {
            _bound = compiled.Bind(_workers);
        }
        catch
        {
            _ownedWorkers?.Dispose();
            throw;
        }

        if (compiled.Interpreted is null && Inputs.Count == 1 && Outputs.Count == 1) _boundary = new SessionBoundary(compiled, _bound, _workers);
    }

    /// <summary>How the session was compiled.</summary>
    public SessionOptions Options { get; }

    /// <summary>Inputs in graph order.</summary>
    public IReadOnlyList<SessionValue> Inputs => _compiled.Inputs;

    /// <summary>Outputs in graph order.</summary>
    public IReadOnlyList<SessionValue> Outputs => _compiled.Outputs;

    /// <summary>The steps in running order; a single one named <c>interpreter</c> when the graph's shapes depend on data.</summary>
    public IReadOnlyList<StepSpec> Steps => _compiled.Specs;

    /// <summary>Bytes of the activations' memory, scratch included, on the host and on the device.</summary>
    public long ArenaBytes => _bound.Bytes;

    /// <summary>Where <see cref="RunOnDevice"/> leaves the output; null for a session that was not compiled to keep it on a device, or cannot because its shapes depend on data.</summary>
    internal DeviceView<float>? DeviceOutput =>
        Options.KeepsOutputOnDevice && _compiled is { Interpreted: null, Repeats: 1 } && Outputs is [{ Type: ElementType.Float32 }]
            ? _compiled.View(_compiled.Plan.Outputs[0], _bound.DeviceArena)
            : null;

    /// <summary>Where <see cref="RunFromDevice"/> expects the input, which a run may destroy; null for a session that was not compiled to take it on a device, or cannot because its shapes depend on data.</summary>
    internal DeviceView<float>? DeviceInput =>
        Options.TakesInputOnDevice && _compiled is { Interpreted: null, Repeats: 1 } && Inputs is [{ Type: ElementType.Float32 }]
            ? _compiled.View(_compiled.Plan.Inputs[0], _bound.DeviceArena)
            : null;

    /// <summary>Compiles a graph. Nothing is timed.</summary>
    /// <exception cref="NotSupportedException">The graph uses an operator or feature that this build does not have.</exception>
    /// <exception cref="InvalidDataException">The graph is inconsistent.</exception>
    /// <exception cref="ArgumentException">An option is out of range, or the batch size does not fit the graph's fixed batch.</exception>
    public static Session Create(Graph graph, SessionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(graph);
        options ??= new SessionOptions();
        options.Validate();
        using var turn = new Turn(options.Device?.Gate);
        return new Session(CompiledGraph.Create(graph, options), options);
    }

    /// <summary>
    /// The steps that <see cref="Create"/> would compile, without packing weights or taking memory: cheap enough to
    /// price thousands of variants of a network.
    /// </summary>
    /// <exception cref="NotSupportedException">The graph uses an operator or feature that this build does not have.</exception>
    /// <exception cref="InvalidDataException">The graph is inconsistent.</exception>
    /// <exception cref="ArgumentException">An option is out of range, or the batch size does not fit the graph's fixed batch.</exception>
    public static IReadOnlyList<StepSpec> Describe(Graph graph, SessionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(graph);
        options ??= new SessionOptions();
        options.Validate();
        return CompiledGraph.Describe(graph, options);
    }

    /// <summary>A session with memory of its own that shares this one's plan and packed weights.</summary>
    /// <param name="workers">Threads of the new session, as many as this one has; null for a set of its own.</param>
    /// <exception cref="ArgumentException">The set has another number of threads.</exception>
    public Session Fork(WorkerSet? workers = null)
    {
        if (workers is not null && workers.Threads != Options.EffectiveThreads)
            throw new ArgumentException($"The session was compiled for {Options.EffectiveThreads} threads, not {workers.Threads}.", nameof(workers));
        using Turn turn = TakeDevice();
        return new Session(_compiled, Options with { Workers = workers, Threads = Options.EffectiveThreads });
    }

    /// <summary>Runs a graph of one float input and one float output.</summary>
    /// <param name="input">The input, row-major, of the shape of <see cref="Inputs"/>[0].</param>
    /// <param name="output">Receives the output, row-major, of the shape of <see cref="Outputs"/>[0].</param>
    /// <exception cref="InvalidOperationException">The graph has several inputs or outputs, or they are not float32.</exception>
    /// <exception cref="ArgumentException">A length does not fit.</exception>
    public void Run(ReadOnlySpan<float> input, Span<float> output) => RunFloats(input, output, default);

    /// <summary>Runs a graph of one float input and leaves the output on the device; waits until it is there.</summary>
    /// <param name="input">The input, row-major, of the shape of <see cref="Inputs"/>[0].</param>
    /// <exception cref="ArgumentException">The length does not fit.</exception>
    internal void RunOnDevice(ReadOnlySpan<float> input)
    {
        RequireFloats();
        if (input.Length != Inputs[0].Shape!.Value.Count)
            throw new ArgumentException($"{input.Length} values do not fill input '{Inputs[0].Name}' of shape {Inputs[0].Shape}.", nameof(input));
        using Turn turn = TakeDevice();
        MemoryMarshal.AsBytes(input).CopyTo(Memory(_compiled.Plan.Inputs[0]));
        RunSteps();
        Options.Device!.Synchronize();
        GC.KeepAlive(this);
    }

    /// <summary>Runs a graph of one float output on the input that lies on the device.</summary>
    /// <param name="output">Receives the output, row-major, of the shape of <see cref="Outputs"/>[0].</param>
    /// <exception cref="ArgumentException">The length does not fit.</exception>
    internal void RunFromDevice(Span<float> output)
    {
        RequireFloats();
        if (output.Length != Outputs[0].Shape!.Value.Count)
            throw new ArgumentException($"{output.Length} places do not fit output '{Outputs[0].Name}' of shape {Outputs[0].Shape}.", nameof(output));
        using Turn turn = TakeDevice();
        foreach (Step step in _bound.Recorded) step.Run();
        Memory(_compiled.Plan.Outputs[0])[..(output.Length * sizeof(float))].CopyTo(MemoryMarshal.AsBytes(output));
        GC.KeepAlive(this);
    }

    /// <summary>
    /// As <see cref="Run(ReadOnlySpan{float}, Span{float})"/>, with the time of each step: the device's own for a step that
    /// only launches kernels, without the launch itself; this host's for all others.
    /// </summary>
    /// <param name="input">The input.</param>
    /// <param name="output">Receives the output.</param>
    /// <param name="stepTicks">Receives <see cref="Stopwatch"/> ticks, one per entry of <see cref="Steps"/>.</param>
    /// <exception cref="InvalidOperationException">The graph has several inputs or outputs, or they are not float32.</exception>
    /// <exception cref="ArgumentException">A length does not fit.</exception>
    public void RunTimed(ReadOnlySpan<float> input, Span<float> output, Span<long> stepTicks)
    {
        if (stepTicks.Length != Steps.Count)
            throw new ArgumentException($"{stepTicks.Length} places for the times of {Steps.Count} steps.", nameof(stepTicks));
        RunFloats(input, output, stepTicks);
    }

    /// <summary>Runs a graph of any inputs and outputs. Allocates the outputs.</summary>
    /// <param name="inputs">One tensor per entry of <see cref="Inputs"/>, of its type and shape.</param>
    /// <returns>One tensor per entry of <see cref="Outputs"/>.</returns>
    /// <exception cref="ArgumentException">The number, type or shape of the inputs does not fit.</exception>
    public IReadOnlyList<Tensor> Run(IReadOnlyList<Tensor> inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        if (inputs.Count != Inputs.Count) throw new ArgumentException($"The network takes {Inputs.Count} inputs, not {inputs.Count}.", nameof(inputs));
        for (int i = 0; i < inputs.Count; i++)
        {
            if (inputs[i].Type != Inputs[i].Type || (Inputs[i].Shape is { } shape && inputs[i].Shape != shape))
                throw new ArgumentException($"Input '{Inputs[i].Name}' must be {Inputs[i].Type} {Inputs[i].Shape}, not {inputs[i]}.", nameof(inputs));
        }

        if (_compiled.Interpreted is { } graph) return Interpreter.Run(graph, inputs);
        using Turn turn = TakeDevice();
        var outputs = new Tensor[Outputs.Count];
        for (int i = 0; i < outputs.Length; i++) outputs[i] = new Tensor(Outputs[i].Type, Outputs[i].Shape!.Value);
        for (int repeat = 0; repeat < _compiled.Repeats; repeat++)
        {
            for (int i = 0; i < inputs.Count; i++) Part(inputs[i].Bytes, repeat).CopyTo(Memory(_compiled.Plan.Inputs[i]));
            RunSteps();
            for (int i = 0; i < outputs.Length; i++)
            {
                Span<byte> part = Part(outputs[i].Bytes, repeat);
                Memory(_compiled.Plan.Outputs[i])[..part.Length].CopyTo(part);
            }
        }

        GC.KeepAlive(this);
        return outputs;
    }

    /// <summary>Stops the threads the session started and frees its device memory, if any.</summary>
    public void Dispose()
    {
        _ownedWorkers?.Dispose();
        using Turn turn = TakeDevice();
        _bound.Dispose();
    }

    /// <summary>Fills the arena with NaN bytes, so that a test sees a step that reads what none has written.</summary>
    internal void PoisonArena() => _bound.Arena?.Span.Fill(0xFF);

    /// <summary>What queueing the kernels of one run takes the host, without waiting for them.</summary>
    /// <returns>Microseconds for all of them, and how many there are; zero for a session on the CPU.</returns>
    internal (double Microseconds, int Launches) TimeLaunches()
    {
        using Turn turn = TakeDevice();
        double time = 0;
        int launches = 0;
        foreach (SequenceStep sequence in _bound.Recorded.OfType<SequenceStep>())
        {
            long started = Stopwatch.GetTimestamp();
            sequence.Run();
            time += Stopwatch.GetElapsedTime(started).TotalMicroseconds;
            launches += sequence.Launches;
            Options.Device!.Synchronize();
        }

        return (time, launches);
    }

    // Sessions of several threads may share a device, which takes one caller at a time.
    private Turn TakeDevice() => new(Options.Device?.Gate);

    private void RunFloats(ReadOnlySpan<float> input, Span<float> output, Span<long> stepTicks)
    {
        RequireFloats();
        if (Inputs[0].Shape is { } expected && input.Length != expected.Count)
            throw new ArgumentException($"{input.Length} values do not fill input '{Inputs[0].Name}' of shape {expected}.", nameof(input));
        if (Outputs[0].Shape is { } result && output.Length != result.Count)
            throw new ArgumentException($"{output.Length} places do not fit output '{Outputs[0].Name}' of shape {result}.", nameof(output));
        if (_compiled.Interpreted is { } graph)
        {
            long started = Stopwatch.GetTimestamp();
            Tensor computed = Interpreter.Run(graph, [Tensor.From(Inputs[0].Shape!.Value, input)])[0];
            if (!stepTicks.IsEmpty) stepTicks[0] = Stopwatch.GetTimestamp() - started;
            if (computed.Count != output.Length)
                throw new ArgumentException($"The output of the network has shape {computed.Shape}, {output.Length} places were given.", nameof(output));
            computed.Values<float>().CopyTo(output);
            return;
        }

        using Turn turn = TakeDevice();
        stepTicks.Clear();
        bool inPlace = !output.Overlaps(input);
        long inputBytes = (long)input.Length * sizeof(float) / _compiled.Repeats, outputBytes = (long)output.Length * sizeof(float) / _compiled.Repeats;
        fixed (float* from = input, to = output)
        {
            for (int repeat = 0; repeat < _compiled.Repeats; repeat++)
            {
                byte* source = (byte*)from + (repeat * inputBytes), target = (byte*)to + (repeat * outputBytes);
                try
                {
                    _boundary!.Open(source, target, inputBytes, inPlace);
                    if (stepTicks.IsEmpty) RunSteps();
                    else RunStepsTimed(stepTicks);
                    _boundary.Close(target, outputBytes, inPlace);
                }
                catch
                {
                    _boundary!.Restore();
                    throw;
                }
            }
        }

        GC.KeepAlive(this);
    }

    private void RunSteps()
    {
        foreach (Step step in _bound.Recorded) step.Run();
    }

    private void RunStepsTimed(Span<long> stepTicks)
    {
        long before = Stopwatch.GetTimestamp();
        Step[] steps = _bound.Steps;
        for (int i = 0; i < steps.Length; i++)
        {
            if (steps[i] is LaunchStep launches)
            {
                stepTicks[i] += (long)(launches.RunTimed(Options.Device!) * Stopwatch.Frequency / 1e6);
                before = Stopwatch.GetTimestamp();
                continue;
            }

            steps[i].Run();
            long after = Stopwatch.GetTimestamp();
            stepTicks[i] += after - before;
            before = after;
        }
    }

    private Span<byte> Memory(PhysicalValue value) => new((void*)CompiledGraph.Address(value, _bound.Arena!), checked((int)value.Bytes));

    private Span<byte> Part(Span<byte> bytes, int repeat) => bytes.Slice(bytes.Length / _compiled.Repeats * repeat, bytes.Length / _compiled.Repeats);

    private ReadOnlySpan<byte> Part(ReadOnlySpan<byte> bytes, int repeat) => bytes.Slice(bytes.Length / _compiled.Repeats * repeat, bytes.Length / _compiled.Repeats);

    private void RequireFloats()
    {
        if (Inputs is not [{ Type: ElementType.Float32, Shape: not null }] || Outputs is not [{ Type: ElementType.Float32 }])
        {
            throw new InvalidOperationException(
                $"The network has {Inputs.Count} inputs and {Outputs.Count} outputs: only one float32 input of known shape and one float32 output can be run on spans.");
        }
    }

    private readonly ref struct Turn
    {
        private readonly Lock? _gate;

        public Turn(Lock? gate)
        {
            _gate = gate;
            gate?.Enter();
        }

        public void Dispose() => _gate?.Exit();
    }
}
