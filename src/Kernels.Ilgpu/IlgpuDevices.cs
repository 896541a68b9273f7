using CoInference.Kernels.Devices;

namespace CoInference.Kernels.Ilgpu;

/// <summary>Whether ILGPU is part of this build, and the devices it offers.</summary>
/// <remarks>
/// The build property <c>UseIlgpu</c> decides: <c>true</c>, <c>false</c>, or <c>auto</c> (the default), which means
/// true when the package is already in the NuGet cache.
/// </remarks>
public static class IlgpuDevices
{
#if USE_ILGPU
    /// <summary>Whether this build contains ILGPU.</summary>
    public static bool IsAvailable => true;

    /// <summary>The accelerators that ILGPU finds; empty in a build without ILGPU.</summary>
    public static IReadOnlyList<DeviceDescription> Enumerate() => IlgpuAccelerators.Enumerate();
#else
    /// <summary>Whether this build contains ILGPU.</summary>
    public static bool IsAvailable => false;

    /// <summary>The accelerators that ILGPU finds; empty in a build without ILGPU.</summary>
    public static IReadOnlyList<DeviceDescription> Enumerate() => [];
#endif
}
