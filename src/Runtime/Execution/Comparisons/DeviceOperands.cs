using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Execution;

/// <summary>What kernels of a device work on, and their launches, freed together. Holds the device's gate while it works on it.</summary>
internal sealed class DeviceOperands(ComputeDevice device) : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    /// <summary>Moves values to the device.</summary>
    /// <exception cref="DeviceException">The device has not enough memory.</exception>
    public DeviceView<T> Upload<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        using Lock.Scope turn = device.Gate.EnterScope();
        return Keep(DeviceMemory.Upload(device, values)).View<T>(0, values.Length);
    }

    /// <summary>Memory for results, all NaN: the device's memory may hold the right results of another case.</summary>
    /// <exception cref="DeviceException">The device has not enough memory.</exception>
    public DeviceView<float> Target(int count)
    {
        var values = new float[count];
        Array.Fill(values, float.NaN);
        return Upload<float>(values);
    }

    /// <summary>Has something freed with the operands.</summary>
    public T Keep<T>(T owned)
        where T : IDisposable
    {
        _owned.Add(owned);
        return owned;
    }

    /// <summary>Runs kernels a number of times.</summary>
    /// <returns>Microseconds of one run, by the device's clock.</returns>
    public double Time(DeviceLaunch launch, int runs)
    {
        using Lock.Scope turn = device.Gate.EnterScope();
        return DevicePeaks.OnDevice(device, launch)(runs);
    }

    /// <summary>Runs kernels that are freed with the operands, and gives what is in a view then.</summary>
    public T[] RunOnce<T>(DeviceLaunch launch, DeviceView<T> target)
        where T : unmanaged
    {
        using Lock.Scope turn = device.Gate.EnterScope();
        Keep(launch).Run();
        return Read(target);
    }

    /// <summary>What is in a view.</summary>
    public T[] Read<T>(DeviceView<T> view)
        where T : unmanaged
    {
        using Lock.Scope turn = device.Gate.EnterScope();
        var values = new T[view.Length];
        view.Buffer.Read(MemoryMarshal.AsBytes(values.AsSpan()), Start(view));
        return values;
    }

    /// <summary>Fills a view, runs kernels, and gives what is in it then: it may hold the right results of the kernel before.</summary>
    public T[] Run<T>(DeviceLaunch launch, DeviceView<T> target, T unwritten)
        where T : unmanaged
    {
        using Lock.Scope turn = device.Gate.EnterScope();
        var values = new T[target.Length];
        Array.Fill(values, unwritten);
        target.Buffer.Write(MemoryMarshal.AsBytes(values.AsSpan()), Start(target));
        launch.Run();
        return Read(target);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        using Lock.Scope turn = device.Gate.EnterScope();
        for (int i = _owned.Count - 1; i >= 0; i--) _owned[i].Dispose();
        _owned.Clear();
    }

    private static long Start<T>(DeviceView<T> view)
        where T : unmanaged => (long)Unsafe.SizeOf<T>() * view.Offset;
}
