using System.Globalization;

namespace CoInference.Kernels.Gpu.OpenCl;

/// <summary>A kernel object of its own, which keeps its arguments between launches.</summary>
internal sealed unsafe class OpenClKernel : DeviceKernel
{
    private readonly OpenClDevice _device;
    private readonly nint _kernel;
    private readonly int _maxGroupThreads;
    private readonly int[] _arguments;
    private bool _disposed;

    public OpenClKernel(OpenClDevice device, nint kernel, KernelSource source, int maxGroupThreads)
        : base(source)
    {
        _device = device;
        _kernel = kernel;
        _maxGroupThreads = maxGroupThreads;
        _arguments = KernelArguments.FirstIndices(source);
    }

    public override void SetArgument<T>(int parameter, DeviceView<T> view)
    {
        if (view.Buffer is not OpenClBuffer buffer || buffer.Device != _device)
            throw new ArgumentException($"Argument '{Source.Parameters[parameter].Name}' of {Source} is not in the memory of {_device.Description.Id}.", nameof(view));
        nint memory = buffer.Memory;
        int offset = view.Offset, length = view.Length;
        uint index = (uint)_arguments[parameter];
        Set(index, (nuint)sizeof(nint), &memory);
        Set(index + 1, sizeof(int), &offset);
        Set(index + 2, sizeof(int), &length);
    }

    public override void SetArgument<T>(int parameter, T value) => Set((uint)_arguments[parameter], (nuint)sizeof(T), &value);

    public override void Launch(in LaunchShape shape)
    {
        if (shape.GroupThreads > _maxGroupThreads)
        {
            throw new DeviceException(
                _device.Description.Id, DeviceFailure.Unsupported, "clEnqueueNDRangeKernel", OpenClCode.InvalidWorkGroupSize,
                string.Create(CultureInfo.InvariantCulture, $"kernel {Source} runs in groups of up to {_maxGroupThreads} threads there, not {shape.GroupThreads}"));
        }

        nuint* threads = stackalloc nuint[3];
        nuint* group = stackalloc nuint[3];
        (group[0], group[1], group[2]) = ((nuint)shape.GroupX, (nuint)shape.GroupY, (nuint)shape.GroupZ);
        (threads[0], threads[1], threads[2]) = ((nuint)shape.GroupsX * group[0], (nuint)shape.GroupsY * group[1], (nuint)shape.GroupsZ * group[2]);
        int code = _device.Api.EnqueueNDRangeKernel(_device.Queue, _kernel, 3, null, threads, group, 0, null, null);
        if (code != 0) _device.Check(code, "clEnqueueNDRangeKernel", $"kernel {Source} was not launched");
    }

    protected override void Dispose(bool disposing)
    {
        if (_disposed) return;
        _disposed = true;
        _device.Api.ReleaseKernel(_kernel);
    }

    private void Set(uint index, nuint size, void* value)
    {
        int code = _device.Api.SetKernelArg(_kernel, index, size, value);
        if (code != 0) _device.Check(code, "clSetKernelArg", string.Create(CultureInfo.InvariantCulture, $"argument {index} of kernel {Source} was refused"));
    }
}
