using System.Runtime.InteropServices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;

namespace CoInference.Runtime.DeviceChecks;

/// <summary>Operands of one case on a device, freed together.</summary>
internal sealed class CheckBench(ComputeDevice device) : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    /// <summary>The device.</summary>
    public ComputeDevice Device => device;

    /// <summary>Random values of a range.</summary>
    public static float[] Values(int seed, int count, double low = -1, double high = 1)
    {
        var random = new Random(seed);
        var values = new float[count];
        foreach (ref float value in values.AsSpan()) value = (float)(low + (random.NextDouble() * (high - low)));
        return values;
    }

    /// <summary>Moves values to the device.</summary>
    public DeviceView<T> Upload<T>(ReadOnlySpan<T> values)
        where T : unmanaged => Keep(DeviceMemory.Upload(device, values)).View<T>(0, values.Length);

    /// <summary>Memory for results, all NaN: the device's memory may hold the right results of another case.</summary>
    public DeviceView<float> Target(int count)
    {
        var values = new float[count];
        Array.Fill(values, float.NaN);
        return Upload<float>(values);
    }

    /// <summary>Runs kernels, and gives what is in a view then.</summary>
    public float[] Run(DeviceLaunch launch, DeviceView<float> target)
    {
        Keep(launch).Run();
        return Read(target);
    }

    /// <summary>What is in a view.</summary>
    public static float[] Read(DeviceView<float> view)
    {
        var values = new float[view.Length];
        view.Buffer.Read(MemoryMarshal.AsBytes(values.AsSpan()), (long)sizeof(float) * view.Offset);
        return values;
    }

    /// <summary>Has something freed with the operands.</summary>
    public T Keep<T>(T owned)
        where T : IDisposable
    {
        _owned.Add(owned);
        return owned;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        for (int i = _owned.Count - 1; i >= 0; i--) _owned[i].Dispose();
        _owned.Clear();
    }
}
