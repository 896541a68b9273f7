using System.Diagnostics;
using System.Runtime.InteropServices;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>One step of a session alone, on random data and random weights of the same density, for timing.</summary>
public sealed unsafe class StandaloneStep : IDisposable
{
    private readonly Step _step;
    private readonly ComputeDevice? _device;
    private readonly PreparedStep _prepared;
    private readonly List<object> _memory = [];
    private readonly WorkerSet? _ownedWorkers;

    private StandaloneStep(StepSpec spec, StepRecipe recipe, WorkerSet? workers)
    {
        Spec = spec;
        (Operation operation, StepVariant variant, int threads, _) = recipe;
        WorkerSet set = workers ?? (_ownedWorkers = threads == 1 ? null : new WorkerSet(threads)) ?? WorkerSet.Single;
        _device = variant.Device?.Device;
        using Lock.Scope turn = (_device?.Gate ?? new Lock()).EnterScope();
        _prepared = _device is null ? operation.Prepare(variant, randomWeights: true) : operation.PrepareOnDevice(variant, randomWeights: true);
        bool copies = operation is DeviceCopyOperation, uploads = copies && operation.Attributes == "upload";
        bool inputsOnDevice = _device is not null && !uploads, outputsOnDevice = _device is not null && (!copies || uploads);
        nint scratch = Allocate(_prepared.ScratchBytes?.Invoke(threads) ?? 0);
        _step = _prepared.Bind(new StepBuffers(
            inputsOnDevice ? [] : Place(operation.Inputs, variant.Inputs), outputsOnDevice ? [] : Place(operation.Outputs, variant.Outputs), scratch, set)
        {
            DeviceInputs = inputsOnDevice ? PlaceOnDevice(operation.Inputs) : [],
            DeviceOutputs = outputsOnDevice ? PlaceOnDevice(operation.Outputs) : [],
        });
    }

    /// <summary>The step.</summary>
    public StepSpec Spec { get; }

    /// <summary>Builds the step that a spec describes.</summary>
    /// <param name="spec">A spec made by <see cref="Session.Describe"/> or <see cref="Session.Steps"/>.</param>
    /// <param name="workers">Threads to run on, as many as the spec was planned for; null for a set of the step's own.</param>
    /// <exception cref="ArgumentException">No planner made the spec, or the set has another number of threads.</exception>
    /// <exception cref="DeviceException">The step is of a device that has not enough memory, or was lost.</exception>
    public static StandaloneStep Create(StepSpec spec, WorkerSet? workers = null)
    {
        ArgumentNullException.ThrowIfNull(spec);
        if (spec.Recipe is not { } recipe) throw new ArgumentException($"Step '{spec}' cannot be built alone: no session planned it.", nameof(spec));
        if (workers is not null && workers.Threads != recipe.Threads)
            throw new ArgumentException($"Step '{spec}' was planned for {recipe.Threads} threads, not {workers.Threads}.", nameof(workers));
        return new StandaloneStep(spec, recipe, workers);
    }

    /// <summary>Runs the step once. One caller at a time. A step on a device is done when this returns.</summary>
    public void Run()
    {
        Sample(1);
        GC.KeepAlive(this);
    }

    /// <summary>Runs the step several times in a row.</summary>
    /// <param name="runs">How often.</param>
    /// <returns>Microseconds of one run: the device's own for a step that only launches kernels, else this host's.</returns>
    public double Sample(int runs)
    {
        if (_device is null) return SampleOnHost(runs);
        using Lock.Scope turn = _device.Gate.EnterScope();
        if (_step is not LaunchStep) return SampleOnHost(runs);
        _device.StartTimer();
        for (int i = 0; i < runs; i++) _step.Run();
        return _device.StopTimer() / runs;
    }

    /// <summary>Stops the threads the step started, and frees its device memory, if any.</summary>
    public void Dispose()
    {
        _ownedWorkers?.Dispose();
        if (_device is null) return;
        using Lock.Scope turn = _device.Gate.EnterScope();
        (_step as IDisposable)?.Dispose();
        _prepared.Weights?.Dispose();
        foreach (object memory in _memory) (memory as DeviceBuffer)?.Dispose();
    }

    private double SampleOnHost(int runs)
    {
        long started = Stopwatch.GetTimestamp();
        for (int i = 0; i < runs; i++) _step.Run();
        return Stopwatch.GetElapsedTime(started).TotalMicroseconds / runs;
    }

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

    private DeviceView<float>[] PlaceOnDevice(List<PlanValue> values)
    {
        var views = new DeviceView<float>[values.Count];
        for (int i = 0; i < views.Length; i++)
        {
            // Random bits are as good as any for other types than float32.
            var content = new float[(values[i].Bytes(ActivationLayout.Nchw) + sizeof(float) - 1) / sizeof(float)];
            if (values[i].Constant is { } constant) constant.Bytes.CopyTo(MemoryMarshal.AsBytes(content.AsSpan()));
            else RandomWeights.Fill(content);
            DeviceBuffer buffer = DeviceMemory.Upload<float>(_device!, content);
            _memory.Add(buffer);
            views[i] = buffer.View<float>(0, content.Length);
        }

        return views;
    }

    private nint Allocate(long bytes)
    {
        var buffer = new AlignedBuffer(Arena.Padded(bytes));
        _memory.Add(buffer);
        return (nint)buffer.Pointer;
    }
}
