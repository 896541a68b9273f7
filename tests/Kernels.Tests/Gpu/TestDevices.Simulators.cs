using CoInference.Kernels.Gpu;
using CoInference.Kernels.Ilgpu;

namespace CoInference.Kernels.Tests.Gpu;

public static partial class TestDevices
{
    private const string SimulatedCuda = "cuda:simulated";
    private const string Ilgpu = "ilgpu:0";

    /// <summary>Those that compile the text of a translation.</summary>
    public static TheoryData<string> Translated => [.. Ids.Where(id => id != Ilgpu)];

    static partial void AddSimulators(Dictionary<string, Func<ComputeDevice>> simulators)
    {
        simulators.Add(SimulatedCuda, () => CudaSimulator.Open());
        simulators.Add(Ilgpu, () =>
        {
            Skip.IfNot(IlgpuDevices.IsAvailable, IlgpuDevices.HowToEnable);
            return IlgpuDevices.Open(Ilgpu);
        });
    }
}
