using System.Globalization;
using System.Text;
using CoInference.Kernels.Devices;

namespace CoInference.Kernels.Gpu.Cuda;

/// <summary>An NVIDIA GPU with one stream. It uses the primary context, which other libraries of the process share.</summary>
internal sealed unsafe class CudaDevice : ComputeDevice
{
    private readonly int _device;
    private readonly nint _context;
    private readonly CudaCompiler _compiler;
    private readonly Dictionary<string, nint> _modules = new(StringComparer.Ordinal);
    private readonly MemoryPool _pool;
    private readonly CudaStaging _staging;
    private readonly nint _timerStart;
    private readonly nint _timerEnd;
    private bool _isTiming;
    private DeviceException? _lost;
    private bool _disposed;

    public CudaDevice(CudaApi api, NvrtcApi? compiler, int index, DeviceDescription description, IProgramCache? cache)
    {
        Api = api;
        Description = description;
        int device;
        Check(api.DeviceGet(&device, index), "cuDeviceGet", "the device cannot be opened");
        _device = device;
        int major = CudaDevices.Number(api, device, CudaCode.DeviceComputeCapabilityMajor), minor = CudaDevices.Number(api, device, CudaCode.DeviceComputeCapabilityMinor);
        Limits = new DeviceLimits(
            CudaDevices.Number(api, device, CudaCode.DeviceMaxThreadsPerBlock),
            Math.Max(CudaDevices.Number(api, device, CudaCode.DeviceMaxSharedMemoryPerBlock), CudaDevices.Number(api, device, CudaCode.DeviceMaxSharedMemoryPerBlockOptin)),
            CudaDevices.Number(api, device, CudaCode.DeviceMultiprocessorCount),
            description.MemoryBytes,
            HasWarps: true,
            HasMatrixUnits: major >= 8);
        Fingerprint = string.Create(CultureInfo.InvariantCulture, $"cuda|{description.Name}|{major}.{minor}|{CudaDevices.DriverVersion(api)}");
        _compiler = new CudaCompiler(compiler, description.Id, (10 * major) + minor, Fingerprint, cache);
        nint context;
        Check(api.DevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain", "no context can be made");
        _context = context;
        _pool = new MemoryPool(TakeMemory, memory => Api.MemFree(memory));
        try
        {
            Enter();
            nint handle;
            Check(api.StreamCreate(&handle, CudaCode.StreamNonBlocking), "cuStreamCreate", "no stream can be made");
            Stream = handle;
            Check(api.EventCreate(&handle, 0), "cuEventCreate", "no timer can be made");
            _timerStart = handle;
            Check(api.EventCreate(&handle, 0), "cuEventCreate", "no timer can be made");
            _timerEnd = handle;
            _staging = new CudaStaging(this);
        }
        catch
        {
            ReleaseHandles();
            throw;
        }
    }

    public CudaApi Api { get; }

    public nint Stream { get; }

    public override DeviceDescription Description { get; }

    public override DeviceLimits Limits { get; }

    public override KernelLanguage? Language => KernelLanguage.Cuda;

    public override string Fingerprint { get; }

    public override DeviceBuffer Allocate(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        Enter();
        nint memory = _pool.Take(bytes);
        if (memory == 0) Check(CudaCode.OutOfMemory, "cuMemAlloc", "no memory", bytes);
        return new CudaBuffer(this, memory, bytes);
    }

    /// <summary>Takes a buffer's memory back.</summary>
    public void Return(nint memory, long bytes)
    {
        if (!_disposed) _pool.Return(memory, bytes);
    }

    public override void Synchronize()
    {
        Enter();
        Check(Api.StreamSynchronize(Stream), "cuStreamSynchronize", "what was launched did not finish");
    }

    public override void StartTimer()
    {
        Enter();
        Check(Api.EventRecord(_timerStart, Stream), "cuEventRecord", "no timer");
        _isTiming = true;
    }

    public override double StopTimer()
    {
        if (!_isTiming) throw new InvalidOperationException("The timer was not started.");
        _isTiming = false;
        Enter();
        Check(Api.EventRecord(_timerEnd, Stream), "cuEventRecord", "no timer");
        Check(Api.EventSynchronize(_timerEnd), "cuEventSynchronize", "what was launched did not finish");
        float milliseconds;
        Check(Api.EventElapsedTime(&milliseconds, _timerStart, _timerEnd), "cuEventElapsedTime", "no time");
        return milliseconds * 1000.0;
    }

    public override LaunchSequence Record(IReadOnlyList<DeviceLaunch> launches) => new CudaGraph(this, launches);

    /// <summary>Makes this device the calling thread's; every call of the driver needs it.</summary>
    /// <exception cref="DeviceException">The device was lost before.</exception>
    public void Enter()
    {
        if (_lost is not null) throw new DeviceException(Description.Id, DeviceFailure.DeviceLost, _lost.Call, _lost.Code, $"the device was lost earlier and only a new process can use it: {_lost.Message}");
        Check(Api.CtxSetCurrent(_context), "cuCtxSetCurrent", "the device does not answer");
    }

    /// <summary>Queues a copy to the device; the source may be changed when the call returns.</summary>
    public void Write(nint memory, ReadOnlySpan<byte> source)
    {
        Enter();
        _staging.Write(memory, source);
    }

    /// <summary>Copies to the host and waits.</summary>
    public void Read(nint memory, Span<byte> destination)
    {
        Enter();
        _staging.Read(memory, destination);
    }

    /// <summary>Throws when a call failed.</summary>
    /// <param name="code">What the call returned.</param>
    /// <param name="call">Its name.</param>
    /// <param name="what">What was being done.</param>
    /// <param name="bytes">Size that was asked for, when that is what failed.</param>
    public void Check(int code, string call, string what, long bytes = 0)
    {
        if (code == 0) return;
        string size = bytes > 0 ? string.Create(CultureInfo.InvariantCulture, $" for {bytes} bytes") : "";
        var exception = new DeviceException(Description.Id, CudaCode.Failure(code), call, code, $"{what}{size}: {Api.Name(code)}");
        if (exception.Failure == DeviceFailure.DeviceLost) _lost ??= exception;
        throw exception;
    }

    protected override DeviceKernel LoadCore(KernelSource source, ReadOnlySpan<int> specialized)
    {
        Enter();
        string[] constants = CudaCompiler.Constants(source, specialized);
        string key = $"{source.Name}|{string.Join('|', constants)}";
        if (!_modules.TryGetValue(key, out nint module)) _modules[key] = module = LoadModule(source, constants);
        nint function;
        fixed (byte* name = Encoding.UTF8.GetBytes(source.Name + '\0')) Check(Api.ModuleGetFunction(&function, module, name), "cuModuleGetFunction", source.Name);
        return new CudaKernel(this, function, source, (int)source.SharedBytes(specialized));
    }

    protected override void Dispose(bool disposing)
    {
        if (_disposed) return;
        _disposed = true;
        // A lost device refuses everything; its driver frees what the process held.
        if (Api.CtxSetCurrent(_context) == 0) Api.StreamSynchronize(Stream);
        _staging.Dispose();
        _pool.Dispose();
        foreach (nint module in _modules.Values) Api.ModuleUnload(module);
        ReleaseHandles();
    }

    private void ReleaseHandles()
    {
        if (_timerStart != 0) Api.EventDestroy(_timerStart);
        if (_timerEnd != 0) Api.EventDestroy(_timerEnd);
        if (Stream != 0) Api.StreamDestroy(Stream);
        Api.DevicePrimaryCtxRelease(_device);
    }

    private nint TakeMemory(long bytes)
    {
        nint memory;
        int code = Api.MemAlloc(&memory, (nuint)bytes);
        if (code == CudaCode.OutOfMemory) return 0;
        Check(code, "cuMemAlloc", "no memory", bytes);
        return memory;
    }

    private nint LoadModule(KernelSource source, string[] constants)
    {
        nint module;
        byte[]? cached = _compiler.Cached(source, constants);
        // An image that the driver no longer takes is as good as none: the source is there.
        if (cached is not null && LoadImage(cached, &module) == 0) return module;
        Check(LoadImage(_compiler.Compile(source, constants), &module), "cuModuleLoadData", $"the driver does not take the compiled kernel {source}");
        return module;
    }

    private int LoadImage(byte[] image, nint* module)
    {
        fixed (byte* bytes = image) return Api.ModuleLoadData(module, bytes);
    }
}
