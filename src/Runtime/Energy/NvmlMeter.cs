using System.Runtime.InteropServices;

namespace CoInference.Runtime.Energy;

/// <summary>The energy counter of one NVIDIA GPU (Volta and later), through the driver's management library, loaded on demand.</summary>
public sealed unsafe class NvmlMeter : IEnergyMeter
{
    private const int Success = 0;
    private const double JoulesPerMillijoule = 1e-3;

    private static readonly string[] Libraries = OperatingSystem.IsWindows() ? ["nvml.dll"] : ["libnvidia-ml.so.1", "libnvidia-ml.so"];

    private readonly nint _library;
    private readonly nint _device;
    private readonly delegate* unmanaged[Cdecl]<nint, ulong*, int> _energy;
    private readonly delegate* unmanaged[Cdecl]<int> _shutdown;
    private readonly ulong _start;

    private NvmlMeter(nint library, nint device, int index, delegate* unmanaged[Cdecl]<nint, ulong*, int> energy, delegate* unmanaged[Cdecl]<int> shutdown, ulong start)
    {
        (_library, _device, _start) = (library, device, start);
        _energy = energy;
        _shutdown = shutdown;
        Name = $"nvml (GPU {index})";
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public TimeSpan Resolution { get; } = TimeSpan.FromMilliseconds(20);

    /// <summary>Opens the meter of a GPU; null when there is no such library, GPU or counter.</summary>
    /// <param name="index">Number of the GPU, from 0.</param>
    public static NvmlMeter? TryOpen(int index = 0)
    {
        foreach (string name in Libraries)
        {
            if (TryOpen(name, index) is { } meter) return meter;
        }

        return null;
    }

    /// <summary>As <see cref="TryOpen(int)"/>, from a given library.</summary>
    internal static NvmlMeter? TryOpen(string path, int index)
    {
        if (!NativeLibrary.TryLoad(path, out nint library)) return null;
        if (NativeLibrary.TryGetExport(library, "nvmlInit_v2", out nint init)
            && NativeLibrary.TryGetExport(library, "nvmlShutdown", out nint shutdown)
            && NativeLibrary.TryGetExport(library, "nvmlDeviceGetHandleByIndex_v2", out nint handle)
            && NativeLibrary.TryGetExport(library, "nvmlDeviceGetTotalEnergyConsumption", out nint energy)
            && ((delegate* unmanaged[Cdecl]<int>)init)() == Success)
        {
            nint device;
            ulong start;
            if (((delegate* unmanaged[Cdecl]<uint, nint*, int>)handle)((uint)index, &device) == Success
                && ((delegate* unmanaged[Cdecl]<nint, ulong*, int>)energy)(device, &start) == Success)
            {
                return new NvmlMeter(library, device, index, (delegate* unmanaged[Cdecl]<nint, ulong*, int>)energy, (delegate* unmanaged[Cdecl]<int>)shutdown, start);
            }

            ((delegate* unmanaged[Cdecl]<int>)shutdown)();
        }

        NativeLibrary.Free(library);
        return null;
    }

    /// <inheritdoc/>
    public double ReadJoules()
    {
        ulong millijoules;
        return _energy(_device, &millijoules) == Success ? (millijoules - _start) * JoulesPerMillijoule : double.NaN;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _shutdown();
        NativeLibrary.Free(_library);
    }
}
