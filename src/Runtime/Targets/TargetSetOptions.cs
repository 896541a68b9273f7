using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Runtime.Energy;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Targets;

/// <summary>How the targets of a device are made.</summary>
public sealed record TargetSetOptions
{
    /// <summary>Thread counts of the CPU, rising; each gives a target per network, and the first runs the device's share of a cut.</summary>
    public IReadOnlyList<int> Threads { get; init; } = Environment.ProcessorCount > 1 ? [1, Environment.ProcessorCount] : [1];

    /// <summary>GPUs and other devices; each gives a target per float network. The caller keeps ownership.</summary>
    public IReadOnlyList<ComputeDevice> Devices { get; init; } = [];

    /// <summary>The edge; null for targets on the device alone.</summary>
    public EdgeAddress? Edge { get; init; }

    /// <summary>Security and limits of the connection, and the link to emulate.</summary>
    public EdgeClientOptions Client { get; init; } = new();

    /// <summary>First pause between attempts to reach a lost edge; pauses double, the upper half of each is random.</summary>
    public TimeSpan ReconnectInterval { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Longest pause between attempts.</summary>
    public TimeSpan MaxReconnectInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Seed of the random part of the pauses; null for another one each time.</summary>
    public int? Seed { get; init; }

    /// <summary>As <see cref="Execution.SessionOptions.Precise"/>.</summary>
    public bool Precise { get; init; }

    /// <summary>As <see cref="Execution.SessionOptions.Precision"/>, for <see cref="Devices"/>.</summary>
    public ProductPrecision Precision { get; init; }

    /// <summary>Emulates a slower device.</summary>
    public Slowdown Slowdown { get; init; } = Slowdown.None;

    /// <summary>Energy where no meter tells it.</summary>
    public EnergyModel Energy { get; init; } = EnergyModel.Default;

    /// <summary>Meter of the processor; null for none. The caller keeps ownership.</summary>
    public IEnergyMeter? Meter { get; init; }

    /// <summary>Receives one line per event: edge lost, edge back. May be called from any thread.</summary>
    public Action<string>? Log { get; init; }
}
