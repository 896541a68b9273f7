using System.Collections.Concurrent;
using CoInference.Kernels.Gpu;

namespace CoInference.Kernels.Tests.Gpu;

/// <summary>The devices that kernel tests run on, opened once.</summary>
public static class TestDevices
{
    private const string SimulatedCuda = "cuda:simulated";
    private static readonly ConcurrentDictionary<string, Lazy<ComputeDevice>> Open = new();

    /// <summary>Every kind of device; tests skip those that this machine lacks.</summary>
    public static IReadOnlyList<string> Ids { get; } = ["opencl:0", "cuda:0", SimulatedCuda];

    /// <summary>The same, for theories.</summary>
    public static TheoryData<string> All => [.. Ids];

    /// <summary>Whether a device runs one thread of a kernel after the other: tests give it small work only.</summary>
    public static bool IsSimulator(string id) => id is SimulatedCuda;

    /// <summary>Opens a device, or skips the test and says why.</summary>
    public static ComputeDevice Get(string id)
    {
        if (id == SimulatedCuda)
        {
            CudaSimulator.Require();
            return Open.GetOrAdd(id, _ => new Lazy<ComputeDevice>(() => CudaSimulator.Open())).Value;
        }

        Skip.IfNot(
            ComputeDevices.Enumerate().Any(device => device.Id == id),
            $"there is no device {id} on this machine{(id.StartsWith("opencl", StringComparison.Ordinal) ? " (Debian: apt-get install pocl-opencl-icd)" : "")}");
        return Open.GetOrAdd(id, name => new Lazy<ComputeDevice>(() => ComputeDevices.Open(name))).Value;
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
}
