using System.Collections.Concurrent;
using CoInference.Kernels.Gpu;

namespace CoInference.Kernels.Tests.Gpu;

/// <summary>The devices that tests run on, opened once.</summary>
public static partial class TestDevices
{
    private static readonly ConcurrentDictionary<string, Lazy<ComputeDevice>> Opened = new();
    private static readonly Dictionary<string, Func<ComputeDevice>> Simulators = FindSimulators();

    /// <summary>Every kind of device; tests skip those that this machine lacks.</summary>
<<<<<<< HEAD
    public static IReadOnlyList<string> Ids { get; } = ["opencl:0", "cuda:0", .. Simulators.Keys];
=======
    public static IReadOnlyList<string> Ids { get; } = [.. RealDevices.Ids, SimulatedCuda];
>>>>>>> gpu-sessions

    /// <summary>The same, for theories.</summary>
    public static TheoryData<string> All => [.. Ids];

    /// <summary>Whether a device runs the threads of a kernel on the CPU: tests give it small work only.</summary>
    public static bool IsSimulator(string id) => Simulators.ContainsKey(id);

    /// <summary>Opens a device, or skips the test and says why.</summary>
    public static ComputeDevice Get(string id)
    {
<<<<<<< HEAD
        // A simulator that is not there skips the test.
        if (Simulators.TryGetValue(id, out Func<ComputeDevice>? open)) return Opened.TryGetValue(id, out Lazy<ComputeDevice>? known) ? known.Value : Keep(id, open());
        Skip.IfNot(
            ComputeDevices.Enumerate().Any(device => device.Id == id),
            $"there is no device {id} on this machine{(id.StartsWith("opencl", StringComparison.Ordinal) ? " (Debian: apt-get install pocl-opencl-icd)" : "")}");
        return Opened.GetOrAdd(id, name => new Lazy<ComputeDevice>(() => ComputeDevices.Open(name))).Value;
=======
        if (id == SimulatedCuda)
        {
            CudaSimulator.Require();
            return Open.GetOrAdd(id, _ => new Lazy<ComputeDevice>(() => CudaSimulator.Open())).Value;
        }

        return RealDevices.Get(id);
>>>>>>> gpu-sessions
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

    // Only the tests of kernels have simulators: whole networks take them too long.
    static partial void AddSimulators(Dictionary<string, Func<ComputeDevice>> simulators);

    private static ComputeDevice Keep(string id, ComputeDevice device) => Opened.GetOrAdd(id, new Lazy<ComputeDevice>(() => device)).Value;
}
