using System.Globalization;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu.Cuda;
using CoInference.Kernels.Gpu.OpenCl;

namespace CoInference.Kernels.Gpu;

/// <summary>The devices besides the CPU that this process can run kernels on through its own interop.</summary>
public static class ComputeDevices
{
    /// <summary>Lists them. A missing or broken driver means no devices.</summary>
    public static IReadOnlyList<DeviceDescription> Enumerate() => [.. CudaDevices.Enumerate(), .. OpenClDevices.Enumerate()];

    /// <summary>Opens a device.</summary>
    /// <param name="id">Its name: <c>opencl:0</c>, <c>cuda:0</c>.</param>
    /// <param name="cache">Where compiled programs are kept; null to compile in every process.</param>
    /// <exception cref="ArgumentException">There is no such device; the message says what there is.</exception>
    /// <exception cref="DeviceException">The driver refuses.</exception>
    public static ComputeDevice Open(string id, IProgramCache? cache = null)
    {
        ArgumentNullException.ThrowIfNull(id);
        string[] parts = id.Split(':');
        if (parts is [var kind, var number] && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int index))
        {
            if (kind == "cuda") return CudaDevices.Open(index, cache);
            if (kind == "opencl") return OpenClDevices.Open(index, cache);
        }

        throw new ArgumentException($"'{id}' is not a device; expected cuda:N or opencl:N with the number that 'coinference devices' lists.", nameof(id));
    }
}
