using System.Diagnostics;
using System.Linq.Expressions;
using System.Reflection;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;

namespace CoInference.Kernels.Ilgpu;

/// <summary>An accelerator of ILGPU with its default stream. Kernels are compiled from the IL of this assembly.</summary>
internal sealed class IlgpuDevice : ComputeDevice
{
    private static readonly MethodInfo LoadKernel = typeof(Accelerator).GetMethods().Single(method =>
        method.Name == nameof(Accelerator.LoadKernel) && method.GetGenericArguments().Length == 1 && method.GetParameters().Length == 1);

    private readonly Context _context;
    private readonly Dictionary<string, Delegate> _launchers = new(StringComparer.Ordinal);
    private long _timerStart;
    private bool _disposed;

    public IlgpuDevice(Context context, Device device, DeviceDescription description)
    {
        _context = context;
        Description = description;
        Accelerator = device.CreateAccelerator(context);
        Limits = new DeviceLimits(
            device.MaxNumThreadsPerGroup, device.MaxSharedMemoryPerGroup, device.NumMultiprocessors, description.MemoryBytes,
            HasWarps: device.AcceleratorType == AcceleratorType.Cuda);
        Fingerprint = $"ilgpu|{device.AcceleratorType}|{device.Name}|{typeof(Context).Assembly.GetName().Version}";
    }

    public Accelerator Accelerator { get; }

    public override DeviceDescription Description { get; }

    public override DeviceLimits Limits { get; }

    public override KernelLanguage? Language => null;

    public override string Fingerprint { get; }

    public override DeviceBuffer Allocate(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        if (bytes > Limits.MaxBufferBytes) throw new DeviceException(Description.Id, DeviceFailure.OutOfMemory, $"no memory for {bytes} bytes; the device has {Limits.MaxBufferBytes}");
        try
        {
            return new IlgpuBuffer(this, Accelerator.Allocate1D<byte>(bytes), bytes);
        }
        catch (Exception failure) when (failure is AcceleratorException or OutOfMemoryException)
        {
            throw new DeviceException(Description.Id, DeviceFailure.OutOfMemory, $"no memory for {bytes} bytes: {failure.Message}");
        }
    }

    public override void Synchronize() => Guarded("what was launched did not finish", Accelerator.Synchronize);

    // ILGPU's markers do not time the simulator; the clock of the host, between two waits, serves all accelerators.
    public override void StartTimer()
    {
        Synchronize();
        _timerStart = Stopwatch.GetTimestamp();
    }

    public override double StopTimer()
    {
        if (_timerStart == 0) throw new InvalidOperationException("The timer was not started.");
        Synchronize();
        double microseconds = Stopwatch.GetElapsedTime(_timerStart).TotalMicroseconds;
        _timerStart = 0;
        return microseconds;
    }

    /// <summary>Runs a call of ILGPU and turns what it throws into the device's error.</summary>
    public void Guarded(string what, Action call)
    {
        try
        {
            call();
        }
        catch (AcceleratorException failure)
        {
            throw new DeviceException(Description.Id, DeviceFailure.Other, $"{what}: {failure.Message}");
        }
    }

    /// <summary>Runs what may compile a kernel, and turns what ILGPU throws into the device's error.</summary>
    public T Compiled<T>(KernelSource source, Func<T> call)
    {
        try
        {
            return call();
        }
        catch (TargetInvocationException failure)
        {
            // The innermost says what is wrong; those around it only where.
            Exception cause = failure.GetBaseException();
            throw cause is AcceleratorException
                ? new DeviceException(Description.Id, DeviceFailure.Other, $"kernel {source} was not launched: {cause.Message}")
                : new DeviceException(Description.Id, DeviceFailure.BuildFailed, $"kernel {source} does not compile: {cause.Message}");
        }
    }

    protected override DeviceKernel LoadCore(KernelSource source, ReadOnlySpan<int> specialized)
    {
        MethodInfo method = typeof(IlgpuDevice).Assembly.GetType(source.ClassName)?.GetMethod(source.Method, BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static)
            ?? throw new DeviceException(Description.Id, DeviceFailure.Unsupported, $"kernel {source} is not compiled for ILGPU");
        if (!_launchers.TryGetValue(source.Name, out Delegate? launcher)) _launchers[source.Name] = launcher = Launcher(source, method);
        return new IlgpuKernel(this, source, method, launcher, specialized);
    }

    protected override void Dispose(bool disposing)
    {
        if (_disposed) return;
        _disposed = true;
        Accelerator.Dispose();
        _context.Dispose();
    }

    // ILGPU makes a launcher for a delegate of the kernel's parameters behind stream and extent; it compiles the kernel once for each
    // set of specialized values.
    private Delegate Launcher(KernelSource source, MethodInfo method)
    {
        Type[] types = [typeof(AcceleratorStream), typeof(KernelConfig), .. method.GetParameters().Select(parameter => parameter.ParameterType), typeof(void)];
        MethodInfo load = LoadKernel.MakeGenericMethod(Expression.GetDelegateType(types));
        return (Delegate)Compiled(source, () => load.Invoke(Accelerator, [method])!);
    }
}
