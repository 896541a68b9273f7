using System.Globalization;
using System.Runtime.InteropServices;

namespace CoInference.Kernels.Gpu.Cuda;

/// <summary>A function of a module with arguments of its own, which stay between launches.</summary>
internal sealed unsafe class CudaKernel : DeviceKernel
{
    // The largest struct that a kernel takes by value fits; the driver copies as many bytes as the kernel declares.
    private const int SlotBytes = 128;
    private readonly CudaDevice _device;
    private readonly nint _function;
    private readonly uint _sharedBytes;
    private readonly int _maxGroupThreads;
    private readonly int[] _arguments;
    private readonly bool[] _isSet;
    private readonly void** _pointers;
    private readonly byte* _values;
    private int _unset;
    private bool _disposed;

    public CudaKernel(CudaDevice device, nint function, KernelSource source, int sharedBytes)
        : base(source)
    {
        _device = device;
        _function = function;
        _sharedBytes = (uint)sharedBytes;
        _arguments = KernelArguments.FirstIndices(source);
        _isSet = [.. _arguments.Select(index => index < 0)];
        _unset = _isSet.Count(isSet => !isSet);
        if (sharedBytes > CudaCode.SharedBytesByDefault)
            device.Check(device.Api.FuncSetAttribute(function, CudaCode.FunctionMaxDynamicSharedSize, sharedBytes), "cuFuncSetAttribute", $"kernel {source} gets no shared memory", sharedBytes);
        int threads;
        device.Check(device.Api.FuncGetAttribute(&threads, CudaCode.FunctionMaxThreadsPerBlock, function), "cuFuncGetAttribute", source.Name);
        _maxGroupThreads = threads;
        int slots = 3 * _arguments.Length;
        _pointers = (void**)NativeMemory.AllocZeroed((nuint)slots, (nuint)sizeof(void*));
        _values = (byte*)NativeMemory.AllocZeroed((nuint)slots, SlotBytes);
        for (int i = 0; i < slots; i++) _pointers[i] = _values + (i * SlotBytes);
    }

    public override void SetArgument<T>(int parameter, DeviceView<T> view)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (view.Buffer is not CudaBuffer buffer || buffer.Device != _device)
            throw new ArgumentException($"Argument '{Source.Parameters[parameter].Name}' of {Source} is not in the memory of {_device.Description.Id}.", nameof(view));
        int index = Slot(parameter);
        *(nint*)_pointers[index] = buffer.Memory;
        *(int*)_pointers[index + 1] = view.Offset;
        *(int*)_pointers[index + 2] = view.Length;
    }

    public override void SetArgument<T>(int parameter, T value)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (sizeof(T) > SlotBytes) throw new ArgumentException($"Argument '{Source.Parameters[parameter].Name}' of {Source} has {sizeof(T)} bytes, more than {SlotBytes}.", nameof(value));
        *(T*)_pointers[Slot(parameter)] = value;
    }

    public override void Launch(in LaunchShape shape)
    {
        if (_unset > 0) throw new InvalidOperationException($"Kernel {Source} has {_unset} arguments that are not set.");
        if (shape.GroupThreads > _maxGroupThreads)
        {
            throw new DeviceException(
                _device.Description.Id, DeviceFailure.Unsupported,
                string.Create(CultureInfo.InvariantCulture, $"kernel {Source} runs in groups of up to {_maxGroupThreads} threads there, not {shape.GroupThreads}"));
        }

        if (shape.GroupsY > CudaCode.MaxGroupsYz || shape.GroupsZ > CudaCode.MaxGroupsYz)
        {
            throw new DeviceException(
                _device.Description.Id, DeviceFailure.Unsupported,
                string.Create(CultureInfo.InvariantCulture, $"kernel {Source} has {shape.GroupsY} x {shape.GroupsZ} groups along y and z; up to {CudaCode.MaxGroupsYz} each are allowed"));
        }

        _device.Enter();
        int code = _device.Api.LaunchKernel(
            _function, (uint)shape.GroupsX, (uint)shape.GroupsY, (uint)shape.GroupsZ, (uint)shape.GroupX, (uint)shape.GroupY, (uint)shape.GroupZ,
            _sharedBytes, _device.Stream, _pointers, null);
        if (code != 0) _device.Check(code, "cuLaunchKernel", $"kernel {Source} was not launched");
    }

    protected override void Dispose(bool disposing)
    {
        if (_disposed) return;
        _disposed = true;
        _unset = 1;
        NativeMemory.Free(_values);
        NativeMemory.Free(_pointers);
    }

    private int Slot(int parameter)
    {
        if (!_isSet[parameter])
        {
            _isSet[parameter] = true;
            _unset--;
        }

        return _arguments[parameter];
    }
}
