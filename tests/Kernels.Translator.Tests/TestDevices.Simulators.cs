using CoInference.Kernels.Gpu;

namespace CoInference.Kernels.Tests.Gpu;

public static partial class TestDevices
{
    static partial void AddSimulators(Dictionary<string, Func<ComputeDevice>> simulators) => simulators.Add("cuda:simulated", () => CudaSimulator.Open());
}
