using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using CoInference.Kernels.Gpu;

namespace CoInference.Kernels.Ilgpu;

/// <summary>A kernel of ILGPU with arguments of its own.</summary>
internal sealed class IlgpuKernel : DeviceKernel
{
    private readonly IlgpuDevice _device;
    private readonly Delegate _launcher;
    private readonly ParameterInfo[] _parameters;
    // Stream and extent before the kernel's own.
    private readonly object[] _arguments;

    public IlgpuKernel(IlgpuDevice device, KernelSource source, MethodInfo method, Delegate launcher, ReadOnlySpan<int> specialized)
        : base(source)
    {
        _device = device;
        _launcher = launcher;
        _parameters = method.GetParameters();
        _arguments = new object[2 + _parameters.Length];
        _arguments[0] = device.Accelerator.DefaultStream;
        int next = 0;
        for (int i = 0; i < _parameters.Length; i++)
        {
            if (source.Parameters[i].Kind == KernelParameterKind.Specialized) _arguments[2 + i] = SpecializedValue.New(specialized[next++]);
        }
    }

    public override void SetArgument<T>(int parameter, DeviceView<T> view)
    {
        if (view.Buffer is not IlgpuBuffer buffer || buffer.Device != _device)
            throw new ArgumentException($"Argument '{Source.Parameters[parameter].Name}' of {Source} is not in the memory of {_device.Description.Id}.", nameof(view));
        // A buffer holds whole elements only where the view is.
        int size = Unsafe.SizeOf<T>();
        _arguments[2 + parameter] = buffer.Memory.SubView((long)view.Offset * size, (long)view.Length * size).Cast<T>();
    }

    // Structs of kernels exist twice, in the assembly of the translations and in this one, with the same layout.
    public override void SetArgument<T>(int parameter, T value)
    {
        Type type = _parameters[parameter].ParameterType;
        _arguments[2 + parameter] = type == typeof(T) ? value : Marshal.PtrToStructure(AddressOf(ref value), type)!;
    }

    public override void Launch(in LaunchShape shape)
    {
        if (shape.GroupThreads > _device.Limits.MaxGroupThreads)
        {
            throw new DeviceException(
                _device.Description.Id, DeviceFailure.Unsupported,
                string.Create(CultureInfo.InvariantCulture, $"kernel {Source} runs in groups of up to {_device.Limits.MaxGroupThreads} threads there, not {shape.GroupThreads}"));
        }

        _arguments[1] = new KernelConfig(shape.GroupsX, shape.GroupsY, shape.GroupsZ, shape.GroupX, shape.GroupY, shape.GroupZ);
        _device.Compiled(Source, () => _launcher.DynamicInvoke(_arguments));
    }

    // The compiled kernel belongs to the accelerator.
    protected override void Dispose(bool disposing)
    {
    }

    private static unsafe nint AddressOf<T>(ref T value)
        where T : unmanaged => (nint)Unsafe.AsPointer(ref value);
}
