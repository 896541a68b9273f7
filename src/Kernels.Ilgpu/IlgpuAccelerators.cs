using System.Globalization;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;

namespace CoInference.Kernels.Ilgpu;

/// <summary>The accelerators that ILGPU finds: its own CPU simulator, CUDA and OpenCL.</summary>
internal static class IlgpuAccelerators
{
    /// <summary>Lists them as <c>ilgpu:0</c>, <c>ilgpu:1</c>, ... in ILGPU's own order.</summary>
    public static IReadOnlyList<DeviceDescription> Enumerate()
    {
        using Context context = CreateContext();
        return [.. context.Devices.Select(Describe)];
    }

    /// <summary>Opens one of them.</summary>
    public static ComputeDevice Open(string id)
    {
        Context context = CreateContext();
        try
        {
            string[] parts = id.Split(':');
            int count = context.Devices.Length;
            if (parts is not ["ilgpu", var number] || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int index) || index >= count)
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"There is no device {id}; ILGPU lists ilgpu:0 to ilgpu:{count - 1} on this machine."), nameof(id));
            return new IlgpuDevice(context, context.Devices[index], Describe(context.Devices[index], index));
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    // O2: what infers address spaces, which OpenCL devices without a generic one need. The simulator is given groups of 256 threads,
    // as kernels use them; its default allows 16.
    private static Context CreateContext() => Context.Create(builder => builder
        .Optimize(OptimizationLevel.O2)
        .Math(MathMode.Default)
        .CPU(new CPUDevice(numThreadsPerWarp: 16, numWarpsPerMultiprocessor: 16, numMultiprocessors: 1))
        .Cuda()
        .OpenCL()
        .EnableAlgorithms());

    private static DeviceDescription Describe(Device device, int index) => new(
        string.Create(CultureInfo.InvariantCulture, $"ilgpu:{index}"),
        device.Name,
        MemoryBytes(device),
        string.Create(CultureInfo.InvariantCulture, $"{device.AcceleratorType}, {device.NumMultiprocessors} multiprocessors, groups of up to {device.MaxNumThreadsPerGroup}"));

    // The simulator names no limit of its own: it lives in the memory of this process.
    private static long MemoryBytes(Device device) =>
        device.AcceleratorType == AcceleratorType.CPU ? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes : device.MemorySize;
}
