using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;

namespace CoInference.Runtime.Execution;

/// <summary>A layer of 8-bit integers in a device's memory, with whatever constants go with it.</summary>
internal sealed class DeviceIntegerLayer : IDisposable
{
    private readonly ComputeDevice _device;
    private readonly List<IDisposable> _owned = [];

    /// <summary>Packs the layer for the kernel of <see cref="Choose"/>.</summary>
    /// <param name="device">The device.</param>
    /// <param name="shape">The layer.</param>
    /// <param name="weights">Weights that <see cref="Choose"/> takes.</param>
    /// <param name="bias">One per output channel; empty for none.</param>
    /// <param name="isSigned">Whether input bytes are signed.</param>
    /// <exception cref="DeviceException">Out of memory.</exception>
    public DeviceIntegerLayer(ComputeDevice device, ConvShape shape, short[] weights, int[] bias, bool isSigned)
    {
        _device = device;
        Conv = DeviceIntegerConvKernels.Choose(shape, device.Limits)!.Prepare(device, shape, Array.ConvertAll(weights, weight => (sbyte)weight), bias, isSigned);
        _owned.Add(Conv);
    }

    /// <summary>The layer.</summary>
    public DeviceIntegerConv Conv { get; }

    /// <summary>The kernel for a layer; null when none takes it, or a weight less its zero point is no signed byte.</summary>
    public static DeviceIntegerConvKernel? Choose(ComputeDevice device, ConvShape shape, short[] weights) =>
        Array.TrueForAll(weights, weight => weight is >= sbyte.MinValue and <= sbyte.MaxValue) ? DeviceIntegerConvKernels.Choose(shape, device.Limits) : null;

    /// <summary>Moves constants to the device, which are freed with the layer; the layer is freed when there is no room for them.</summary>
    /// <exception cref="DeviceException">Out of memory.</exception>
    public DeviceView<T> Constants<T>(params ReadOnlySpan<T> values)
        where T : unmanaged
    {
        try
        {
            DeviceBuffer buffer = DeviceMemory.Upload(_device, values);
            _owned.Add(buffer);
            return buffer.View<T>(0, values.Length);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IDisposable owned in _owned) owned.Dispose();
        _owned.Clear();
    }
}
