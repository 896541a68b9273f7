using System.Globalization;
using System.Text;
using CoInference.Kernels.Devices;

namespace CoInference.Kernels.Gpu.OpenCl;

/// <summary>The OpenCL devices of this machine, numbered in the order of platforms and devices.</summary>
internal static unsafe class OpenClDevices
{
    /// <summary>Lists the available devices; empty without a loader or a driver.</summary>
    public static IReadOnlyList<DeviceDescription> Enumerate()
    {
        if (OpenClApi.Instance is not { } api) return [];
        return [.. Find(api).Select((device, index) => Describe(api, device, index))];
    }

    /// <summary>Opens a device.</summary>
    /// <param name="index">The number behind <c>opencl:</c>.</param>
    /// <param name="cache">Where compiled programs are kept; null to compile in every process.</param>
    /// <param name="isStaged">Whether copies go through page-locked memory; null where the device has memory of its own.</param>
    /// <exception cref="ArgumentException">There is no such device; the message lists what there is.</exception>
    /// <exception cref="DeviceException">The driver refuses.</exception>
    public static ComputeDevice Open(int index, IProgramCache? cache, bool? isStaged = null)
    {
        OpenClApi api = OpenClApi.Instance
            ?? throw new ArgumentException("This machine has no OpenCL: the loader (libOpenCL.so.1, OpenCL.dll) is not installed.", nameof(index));
        nint[] devices = Find(api);
        if ((uint)index >= (uint)devices.Length)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"There is no device opencl:{index}; OpenCL lists {devices.Length} devices on this machine."), nameof(index));
        return new OpenClDevice(api, devices[index], Describe(api, devices[index], index), cache, isStaged);
    }

    /// <summary>A property of a device that is text.</summary>
    public static string Text(OpenClApi api, nint device, uint what)
    {
        nuint size;
        if (api.GetDeviceInfo(device, what, 0, null, &size) != 0 || size <= 1) return "";
        var bytes = new byte[(int)size];
        fixed (byte* place = bytes)
        {
            if (api.GetDeviceInfo(device, what, size, place, null) != 0) return "";
        }

        return Encoding.UTF8.GetString(bytes).TrimEnd('\0').Trim();
    }

    /// <summary>A property of a device that is a number of up to 64 bits; 0 when the driver does not know it.</summary>
    public static long Number(OpenClApi api, nint device, uint what)
    {
        long value = 0;
        return api.GetDeviceInfo(device, what, sizeof(long), &value, null) == 0 ? value : 0;
    }

    private static DeviceDescription Describe(OpenClApi api, nint device, int index) => new(
        string.Create(CultureInfo.InvariantCulture, $"opencl:{index}"),
        Text(api, device, OpenClCode.DeviceName),
        Number(api, device, OpenClCode.DeviceGlobalMemSize),
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Text(api, device, OpenClCode.DeviceVersion)}, driver {Text(api, device, OpenClCode.DriverVersion)}, {Number(api, device, OpenClCode.DeviceMaxComputeUnits)} units, groups of up to {Number(api, device, OpenClCode.DeviceMaxWorkGroupSize)}"));

    private static nint[] Find(OpenClApi api)
    {
        var found = new List<nint>();
        uint platforms;
        if (api.GetPlatformIds(0, null, &platforms) != 0 || platforms == 0) return [];
        var platformIds = new nint[platforms];
        fixed (nint* place = platformIds)
        {
            if (api.GetPlatformIds(platforms, place, null) != 0) return [];
        }

        foreach (nint platform in platformIds)
        {
            uint devices;
            if (api.GetDeviceIds(platform, OpenClCode.DeviceTypeAll, 0, null, &devices) != 0 || devices == 0) continue;
            var deviceIds = new nint[devices];
            fixed (nint* place = deviceIds)
            {
                if (api.GetDeviceIds(platform, OpenClCode.DeviceTypeAll, devices, place, null) != 0) continue;
            }

            found.AddRange(deviceIds.Where(device => Number(api, device, OpenClCode.DeviceAvailable) != 0));
        }

        return [.. found];
    }
}
