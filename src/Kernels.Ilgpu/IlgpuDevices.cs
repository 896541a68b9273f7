using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;

namespace CoInference.Kernels.Ilgpu;

/// <summary>Whether ILGPU is part of this build, and the devices it offers.</summary>
/// <remarks>
/// The build property <c>UseIlgpu</c> decides: <c>true</c>, <c>false</c>, or <c>auto</c> (the default), which means
/// true when the package is already in the NuGet cache.
/// </remarks>
public static class IlgpuDevices
{
    /// <summary>What a build without ILGPU says about it.</summary>
    public const string HowToEnable = "ILGPU is not in this build. Where the package registry offers ILGPU 1.5.3, build with: dotnet build -c Release -p:UseIlgpu=true";

#if USE_ILGPU
    /// <summary>Whether this build contains ILGPU.</summary>
    public static bool IsAvailable => true;

    /// <summary>The accelerators that ILGPU finds; empty in a build without ILGPU.</summary>
    public static IReadOnlyList<DeviceDescription> Enumerate() => IlgpuAccelerators.Enumerate();

    /// <summary>Opens a device.</summary>
    /// <param name="id">Its name: <c>ilgpu:0</c>.</param>
    /// <exception cref="ArgumentException">There is no such device.</exception>
    /// <exception cref="DeviceException">The driver refuses.</exception>
    public static ComputeDevice Open(string id) => IlgpuAccelerators.Open(id);
#else
    /// <summary>Whether this build contains ILGPU.</summary>
    public static bool IsAvailable => false;

    /// <summary>The accelerators that ILGPU finds; empty in a build without ILGPU.</summary>
    public static IReadOnlyList<DeviceDescription> Enumerate() => [];

    /// <summary>Opens a device.</summary>
    /// <param name="id">Its name: <c>ilgpu:0</c>.</param>
    /// <exception cref="ArgumentException">There is no such device.</exception>
    public static ComputeDevice Open(string id) => throw new ArgumentException($"There is no device {id}: {HowToEnable}", nameof(id));
#endif
}
