using CoInference.Kernels.Devices;
using CoInference.Kernels.Ilgpu;

namespace CoInference.Cli.Tests;

public sealed class IlgpuDevicesTests
{
    [SkippableFact]
    public void ListsTheSimulatorWithMemoryThatAMachineCanHave()
    {
        Skip.IfNot(IlgpuDevices.IsAvailable, "ILGPU is not in this build (-p:UseIlgpu=true)");

        IReadOnlyList<DeviceDescription> devices = IlgpuDevices.Enumerate();

        Assert.Equal(Enumerable.Range(0, devices.Count).Select(index => $"ilgpu:{index}"), devices.Select(device => device.Id));
        DeviceDescription simulator = Assert.Single(devices, device => device.Detail.StartsWith("CPU,", StringComparison.Ordinal));

        // ILGPU itself reports long.MaxValue for its simulator.
        Assert.InRange(simulator.MemoryBytes, 1L << 20, 1L << 50);
    }
}
