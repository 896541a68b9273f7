using System.Collections.Concurrent;
using CoInference.Kernels.Gpu;

namespace CoInference.Kernels.Tests.Gpu;

/// <summary>The devices that tests run on, opened once.</summary>
public static partial class TestDevices
{
    private static readonly ConcurrentDictionary<string, ComputeDevice> Opened = new();
    private static readonly Dictionary<string, Func<ComputeDevice>> Simulators = FindSimulators();

    /// <summary>Every kind of device; tests skip those that this machine lacks.</summary>
    public static IReadOnlyList<string> Ids { get; } = [.. RealDevices.Ids, .. Simulators.Keys];

    /// <summary>The same, for theories.</summary>
    public static TheoryData<string> All => [.. Ids];

    /// <summary>Whether a device runs the threads of a kernel on the CPU: tests give it small work only.</summary>
    public static bool IsSimulator(string id) => Simulators.ContainsKey(id);

    /// <summary>Opens a device, or skips the test and says why.</summary>
    public static ComputeDevice Get(string id)
    {
        // A simulator that is not there skips the test.
        if (Simulators.TryGetValue(id, out Func<ComputeDevice>? open)) return Opened.TryGetValue(id, out ComputeDevice? known) ? known : Opened.GetOrAdd(id, open());
        return RealDevices.Get(id);
    }

    /// <summary>Moves floats to a device.</summary>
    public static DeviceBuffer Upload<T>(ComputeDevice device, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(values);
        DeviceBuffer buffer = device.Allocate(Math.Max(4, bytes.Length));
        buffer.Write(bytes);
        return buffer;
    }

    /// <summary>Moves elements back.</summary>
    public static T[] Download<T>(DeviceBuffer buffer, int count)
        where T : unmanaged
    {
        var values = new T[count];
        buffer.Read(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    private static Dictionary<string, Func<ComputeDevice>> FindSimulators()
    {
        var simulators = new Dictionary<string, Func<ComputeDevice>>();
        AddSimulators(simulators);
        return simulators;
    }

    // Each test project says which it has.
    static partial void AddSimulators(Dictionary<string, Func<ComputeDevice>> simulators);
}
