using System.Globalization;
using System.Text;
using CoInference.Kernels.Devices;

namespace CoInference.Kernels.Gpu.Cuda;

/// <summary>The NVIDIA GPUs of this machine, numbered as the driver numbers them.</summary>
internal static unsafe class CudaDevices
{
    /// <summary>Lists them; empty without a driver, or with one that does not start.</summary>
    public static IReadOnlyList<DeviceDescription> Enumerate() => CudaApi.Instance is { } api ? Enumerate(api) : [];

    /// <summary>Lists the devices of a driver.</summary>
    public static IReadOnlyList<DeviceDescription> Enumerate(CudaApi api) => [.. Enumerable.Range(0, Count(api)).Select(index => Describe(api, index))];

    /// <summary>Opens a device.</summary>
    /// <param name="index">The number behind <c>cuda:</c>.</param>
    /// <param name="cache">Where compiled programs are kept; null to compile in every process.</param>
    /// <exception cref="ArgumentException">There is no such device; the message lists what there is.</exception>
    /// <exception cref="DeviceException">The driver refuses.</exception>
    public static ComputeDevice Open(int index, IProgramCache? cache)
    {
        CudaApi api = CudaApi.Instance
            ?? throw new ArgumentException("This machine has no CUDA: the driver (libcuda.so.1, nvcuda.dll) of version 11.4 or later is not installed.", nameof(index));
        return Open(api, NvrtcApi.Instance, index, cache);
    }

    /// <summary>Opens a device of a driver.</summary>
    public static CudaDevice Open(CudaApi api, NvrtcApi? compiler, int index, IProgramCache? cache)
    {
        int count = Count(api);
        if ((uint)index >= (uint)count)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"There is no device cuda:{index}; the driver lists {count} devices on this machine."), nameof(index));
        return new CudaDevice(api, compiler, index, Describe(api, index), cache);
    }

    /// <summary>A property of a device; 0 when the driver does not know it.</summary>
    public static int Number(CudaApi api, int device, int what)
    {
        int value;
        return api.DeviceGetAttribute(&value, what, device) == 0 ? value : 0;
    }

    /// <summary>The version of the driver: 12040 for 12.4.</summary>
    public static int DriverVersion(CudaApi api)
    {
        int version;
        return api.DriverGetVersion(&version) == 0 ? version : 0;
    }

    private static int Count(CudaApi api)
    {
        int count;
        return api.Init(0) == 0 && api.DeviceGetCount(&count) == 0 ? count : 0;
    }

    private static DeviceDescription Describe(CudaApi api, int index)
    {
        int device, version = DriverVersion(api);
        nuint memory = 0;
        string name = "";
        const int NameBytes = 256;
        byte* bytes = stackalloc byte[NameBytes];
        if (api.DeviceGet(&device, index) == 0)
        {
            if (api.DeviceGetName(bytes, NameBytes, device) == 0) name = Encoding.UTF8.GetString(new ReadOnlySpan<byte>(bytes, NameBytes)).Split('\0')[0];
            api.DeviceTotalMem(&memory, device);
        }

        return new DeviceDescription(
            string.Create(CultureInfo.InvariantCulture, $"cuda:{index}"),
            name,
            (long)memory,
            string.Create(
                CultureInfo.InvariantCulture,
                $"compute capability {Number(api, device, CudaCode.DeviceComputeCapabilityMajor)}.{Number(api, device, CudaCode.DeviceComputeCapabilityMinor)}, driver {version / 1000}.{version % 1000 / 10}, {Number(api, device, CudaCode.DeviceMultiprocessorCount)} multiprocessors, groups of up to {Number(api, device, CudaCode.DeviceMaxThreadsPerBlock)}"));
    }
}
