using System.Globalization;
using System.Text;
using CoInference.Kernels.Devices;

namespace CoInference.Kernels.Gpu.OpenCl;

/// <summary>An OpenCL device with one queue, which runs in order.</summary>
internal sealed unsafe class OpenClDevice : ComputeDevice
{
    private const uint Blocking = 1;
    private static readonly string[] WarpExtensions = ["cl_khr_subgroups", "cl_khr_subgroup_shuffle", "cl_khr_subgroup_shuffle_relative"];
    private readonly nint _device;
    private readonly nint _context;
    private readonly IProgramCache? _cache;
    private readonly Dictionary<string, nint> _programs = new(StringComparer.Ordinal);
    private readonly MemoryPool _pool;
    private readonly string _options;
    private readonly OpenClStaging? _staging;
    private nint _timerStart;
    private bool _disposed;

    /// <summary>Opens a device.</summary>
    /// <param name="api">The loader.</param>
    /// <param name="device">The driver's handle.</param>
    /// <param name="description">How it is listed.</param>
    /// <param name="cache">Where compiled programs are kept; null to compile in every process.</param>
    /// <param name="isStaged">Whether copies go through page-locked memory; null where the device has memory of its own.</param>
    public OpenClDevice(OpenClApi api, nint device, DeviceDescription description, IProgramCache? cache, bool? isStaged = null)
    {
        Api = api;
        _device = device;
        _cache = cache;
        _pool = new MemoryPool(TakeMemory, memory => Api.ReleaseMemObject(memory));
        Description = description;
        Limits = new DeviceLimits(
            (int)OpenClDevices.Number(api, device, OpenClCode.DeviceMaxWorkGroupSize),
            OpenClDevices.Number(api, device, OpenClCode.DeviceLocalMemSize),
            (int)OpenClDevices.Number(api, device, OpenClCode.DeviceMaxComputeUnits),
            OpenClDevices.Number(api, device, OpenClCode.DeviceMaxMemAllocSize),
            HasWarps: WarpExtensions.All(OpenClDevices.Text(api, device, OpenClCode.DeviceExtensions).Split(' ').Contains));
        Fingerprint = $"opencl|{description.Name}|{OpenClDevices.Text(api, device, OpenClCode.DeviceVersion)}|{OpenClDevices.Text(api, device, OpenClCode.DriverVersion)}";
        // Quotients and roots are rounded as in C# where the device can; elsewhere they may be off by a few units.
        bool isRounded = (OpenClDevices.Number(api, device, OpenClCode.DeviceSingleFpConfig) & (long)OpenClCode.FpCorrectlyRoundedDivideSqrt) != 0;
        _options = isRounded ? " -cl-fp32-correctly-rounded-divide-sqrt" : "";
        int code;
        _context = api.CreateContext(null, 1, &device, null, null, &code);
        Check(code, "clCreateContext", "no context can be made");
        Queue = api.CreateCommandQueue(_context, device, OpenClCode.QueueProfilingEnable, &code);
        try
        {
            Check(code, "clCreateCommandQueue", "no queue can be made");
            // A device that works in the host's memory copies there at once.
            if (isStaged ?? OpenClDevices.Number(api, device, OpenClCode.DeviceHostUnifiedMemory) == 0) _staging = new OpenClStaging(this, _context);
        }
        catch
        {
            if (Queue != 0) api.ReleaseCommandQueue(Queue);
            api.ReleaseContext(_context);
            throw;
        }
    }

    public OpenClApi Api { get; }

    public nint Queue { get; }

    public override DeviceDescription Description { get; }

    public override DeviceLimits Limits { get; }

    public override KernelLanguage? Language => KernelLanguage.OpenCl;

    public override string Fingerprint { get; }

    public override DeviceBuffer Allocate(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        if (bytes > Limits.MaxBufferBytes)
        {
            throw new DeviceException(
                Description.Id, DeviceFailure.OutOfMemory, "clCreateBuffer", OpenClCode.InvalidBufferSize,
                string.Create(CultureInfo.InvariantCulture, $"a buffer of {bytes} bytes is larger than the device allows, {Limits.MaxBufferBytes}"));
        }

        nint memory = _pool.Take(bytes);
        if (memory == 0) Check(OpenClCode.MemObjectAllocationFailure, "clCreateBuffer", "no memory", bytes);
        return new OpenClBuffer(this, memory, bytes);
    }

    /// <summary>Takes a buffer's memory back.</summary>
    public void Return(nint memory, long bytes)
    {
        if (_disposed) Api.ReleaseMemObject(memory);
        else _pool.Return(memory, bytes);
    }

    public override void Synchronize() => Check(Api.Finish(Queue), "clFinish", "what was launched did not finish");

    public override void StartTimer()
    {
        if (_timerStart != 0) Api.ReleaseEvent(_timerStart);
        _timerStart = 0;
        _timerStart = Marker();
    }

    public override double StopTimer()
    {
        if (_timerStart == 0) throw new InvalidOperationException("The timer was not started.");
        nint end = Marker();
        try
        {
            Synchronize();
            return (Time(end) - Time(_timerStart)) / 1000.0;
        }
        finally
        {
            Api.ReleaseEvent(end);
            Api.ReleaseEvent(_timerStart);
            _timerStart = 0;
        }
    }

    /// <summary>Copies to the device; the source may be changed when the call returns.</summary>
    public void Write(nint memory, long offset, ReadOnlySpan<byte> source)
    {
        if (_staging is not null)
        {
            _staging.Write(memory, offset, source);
            return;
        }

        fixed (byte* bytes = source)
        {
            int code = Api.EnqueueWriteBuffer(Queue, memory, Blocking, (nuint)offset, (nuint)source.Length, bytes, 0, null, null);
            Check(code, "clEnqueueWriteBuffer", "copy to the device", source.Length);
        }
    }

    /// <summary>Copies to the host and waits.</summary>
    public void Read(nint memory, long offset, Span<byte> destination)
    {
        if (_staging is not null)
        {
            _staging.Read(memory, offset, destination);
            return;
        }

        fixed (byte* bytes = destination)
        {
            int code = Api.EnqueueReadBuffer(Queue, memory, Blocking, (nuint)offset, (nuint)destination.Length, bytes, 0, null, null);
            Check(code, "clEnqueueReadBuffer", "copy from the device", destination.Length);
        }
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
        throw new DeviceException(Description.Id, OpenClCode.Failure(code, call), call, code, what + size);
    }

    protected override DeviceKernel LoadCore(KernelSource source, ReadOnlySpan<int> specialized)
    {
        string options = Options(source, specialized);
        string key = $"{source.Name}|{options}";
        if (!_programs.TryGetValue(key, out nint program)) _programs[key] = program = Build(source, options);
        int code;
        nint kernel;
        fixed (byte* name = Terminated(source.Name)) kernel = Api.CreateKernel(program, name, &code);
        Check(code, "clCreateKernel", source.Name);
        return new OpenClKernel(this, kernel, source, Number(kernel, OpenClCode.KernelWorkGroupSize));
    }

    protected override void Dispose(bool disposing)
    {
        if (_disposed) return;
        _disposed = true;
        if (_timerStart != 0) Api.ReleaseEvent(_timerStart);
        _staging?.Dispose();
        _pool.Dispose();
        foreach (nint program in _programs.Values) Api.ReleaseProgram(program);
        Api.ReleaseCommandQueue(Queue);
        Api.ReleaseContext(_context);
    }

    private nint TakeMemory(long bytes)
    {
        int code;
        nint memory = Api.CreateBuffer(_context, OpenClCode.MemReadWrite, (nuint)Math.Min(bytes, Limits.MaxBufferBytes), null, &code);
        if (code != 0 && OpenClCode.Failure(code, "clCreateBuffer") == DeviceFailure.OutOfMemory) return 0;
        Check(code, "clCreateBuffer", "no memory", bytes);
        return memory;
    }

    private static byte[] Terminated(string text) => [.. Encoding.UTF8.GetBytes(text), 0];

    private string Options(KernelSource source, ReadOnlySpan<int> specialized)
    {
        // Sub-groups came with OpenCL 2.0; everything else is 1.2.
        var options = new StringBuilder(source.UsesWarps ? "-cl-std=CL3.0" : "-cl-std=CL1.2").Append(_options);
        int i = 0;
        foreach (string name in source.Specialized) options.Append(CultureInfo.InvariantCulture, $" -D {KernelSource.Macro(name)}={specialized[i++]}");

        return options.ToString();
    }

    private nint Build(KernelSource source, string options)
    {
        string text = source.Text(KernelLanguage.OpenCl);
        string key = $"{Fingerprint}|{options}|{text}";
        if (_cache?.Read(key) is { Length: > 0 } binary && FromBinary(binary, options) is { } cached and not 0) return cached;
        int code;
        nint program;
        fixed (byte* characters = Terminated(text))
        {
            byte* start = characters;
            program = Api.CreateProgramWithSource(_context, 1, &start, null, &code);
        }

        Check(code, "clCreateProgramWithSource", source.Name);
        code = Compile(program, options);
        if (code != 0)
        {
            string log = BuildLog(program);
            Api.ReleaseProgram(program);
            Check(code, "clBuildProgram", $"kernel {source.Name} does not compile: {log}");
        }

        if (_cache is not null) _cache.Write(key, Binary(program));
        return program;
    }

    // Another attempt at what failed: it may be an exception elsewhere in the process that made it fail.
    private int Compile(nint program, string options)
    {
        const int Attempts = 3;
        nint device = _device;
        int code = 0;
        using IDisposable guard = FaultHandlers.Guard();
        fixed (byte* characters = Terminated(options))
        {
            for (int attempt = 0; attempt < Attempts; attempt++)
            {
                code = Api.BuildProgram(program, 1, &device, characters, null, null);
                if (code == 0) break;
            }
        }

        return code;
    }

    // A binary that the driver no longer takes is as good as none: the source is there.
    private nint FromBinary(byte[] binary, string options)
    {
        nint device = _device;
        nuint length = (nuint)binary.Length;
        int status, code;
        nint program;
        fixed (byte* bytes = binary)
        {
            byte* start = bytes;
            program = Api.CreateProgramWithBinary(_context, 1, &device, &length, &start, &status, &code);
        }

        if (code != 0) return 0;
        if (status == 0 && Compile(program, options) == 0) return program;
        Api.ReleaseProgram(program);
        return 0;
    }

    private byte[] Binary(nint program)
    {
        nuint size;
        if (Api.GetProgramInfo(program, OpenClCode.ProgramBinarySizes, (nuint)sizeof(nuint), &size, null) != 0) return [];
        var bytes = new byte[(int)size];
        fixed (byte* place = bytes)
        {
            byte* start = place;
            return Api.GetProgramInfo(program, OpenClCode.ProgramBinaries, (nuint)sizeof(byte*), &start, null) == 0 ? bytes : [];
        }
    }

    private string BuildLog(nint program)
    {
        nuint size;
        if (Api.GetProgramBuildInfo(program, _device, OpenClCode.ProgramBuildLog, 0, null, &size) != 0 || size <= 1) return "no message";
        var bytes = new byte[(int)size];
        fixed (byte* place = bytes) Api.GetProgramBuildInfo(program, _device, OpenClCode.ProgramBuildLog, size, place, null);
        return Encoding.UTF8.GetString(bytes).TrimEnd('\0').Trim();
    }

    private int Number(nint kernel, uint what)
    {
        nuint value = 0;
        return Api.GetKernelWorkGroupInfo(kernel, _device, what, (nuint)sizeof(nuint), &value, null) == 0 ? (int)value : Limits.MaxGroupThreads;
    }

    private nint Marker()
    {
        nint marker;
        Check(Api.EnqueueMarkerWithWaitList(Queue, 0, null, &marker), "clEnqueueMarkerWithWaitList", "no timer");
        return marker;
    }

    private long Time(nint marker)
    {
        long nanoseconds;
        Check(Api.GetEventProfilingInfo(marker, OpenClCode.ProfilingCommandEnd, sizeof(long), &nanoseconds, null), "clGetEventProfilingInfo", "no time");
        return nanoseconds;
    }
}
