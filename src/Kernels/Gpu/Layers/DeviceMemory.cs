using System.Runtime.InteropServices;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>Constants on their way to a device.</summary>
public static class DeviceMemory
{
    /// <summary>Moves values to the device; an empty list becomes one zero, because no device has buffers of no bytes.</summary>
    /// <typeparam name="T">A number or a struct of numbers.</typeparam>
    /// <param name="device">The device.</param>
    /// <param name="values">What to move.</param>
    /// <exception cref="DeviceException">Out of memory.</exception>
    public static DeviceBuffer Upload<T>(ComputeDevice device, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(values.IsEmpty ? new ReadOnlySpan<T>(new T[1]) : values);
        DeviceBuffer buffer = device.Allocate(bytes.Length);
        try
        {
            buffer.Write(bytes);
            return buffer;
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }
}
