using System.Globalization;
using CoInference.Kernels.Devices;
using ILGPU;
using ILGPU.Runtime;

namespace CoInference.Kernels.Ilgpu;

/// <summary>The accelerators that ILGPU finds: CUDA, OpenCL and its own CPU simulator.</summary>
internal static class IlgpuAccelerators
{
    /// <summary>Lists them as <c>ilgpu:0</c>, <c>ilgpu:1</c>, ... in ILGPU's own order.</summary>
    public static IReadOnlyList<DeviceDescription> Enumerate()
    {
        using Context context = Context.Create(builder => builder.AllAccelerators());
        return [.. context.Devices.Select((device, index) => new DeviceDescription(
            string.Create(CultureInfo.InvariantCulture, $"ilgpu:{index}"),
            device.Name,
            MemoryBytes(device),
            string.Create(CultureInfo.InvariantCulture, $"{device.AcceleratorType}, {device.NumMultiprocessors} multiprocessors, groups of up to {device.MaxNumThreadsPerGroup}")))];
    }

    // The simulator names no limit of its own: it lives in the memory of this process.
    private static long MemoryBytes(Device device) =>
        device.AcceleratorType == AcceleratorType.CPU ? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes : device.MemorySize;
}
