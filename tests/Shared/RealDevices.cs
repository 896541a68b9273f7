using System.Collections.Concurrent;
using CoInference.Kernels.Gpu;

namespace CoInference.Tests;

/// <summary>The GPUs and other devices that tests run whole networks on, opened once.</summary>
public static class RealDevices
{
    private static readonly ConcurrentDictionary<string, Lazy<ComputeDevice>> Open = new();

    /// <summary>Every kind of device; tests skip those that this machine lacks.</summary>
    public static IReadOnlyList<string> Ids { get; } = ["opencl:0", "cuda:0"];

    /// <summary>The same, for theories.</summary>
    public static TheoryData<string> All => [.. Ids];

    /// <summary>Opens a device, or skips the test and says why.</summary>
    public static ComputeDevice Get(string id)
    {
        Skip.IfNot(
            ComputeDevices.Enumerate().Any(device => device.Id == id),
            $"there is no device {id} on this machine{(id.StartsWith("opencl", StringComparison.Ordinal) ? " (Debian: apt-get install pocl-opencl-icd)" : "")}");
        return Open.GetOrAdd(id, name => new Lazy<ComputeDevice>(() => ComputeDevices.Open(name))).Value;
    }
}
