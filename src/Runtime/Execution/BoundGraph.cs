using CoInference.Kernels.Gpu;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>One session's memory, and the steps bound to it.</summary>
/// <param name="graph">What the memory was taken for.</param>
/// <param name="arena">Activations in host memory; null when the graph is interpreted.</param>
/// <param name="deviceArena">Activations in device memory; null for none.</param>
/// <param name="steps">The steps.</param>
/// <param name="recorded">The steps as whole runs take them, launches in a row recorded as one.</param>
internal sealed class BoundGraph(CompiledGraph graph, AlignedBuffer? arena, DeviceBuffer? deviceArena, Step[] steps, Step[] recorded) : IDisposable
{
    private bool _disposed;

    /// <summary>Activations in host memory; null when the graph is interpreted.</summary>
    public AlignedBuffer? Arena { get; } = arena;

    /// <summary>Activations in device memory; null for none.</summary>
    public DeviceBuffer? DeviceArena { get; } = deviceArena;

    /// <summary>Bytes of activations and scratch, in host and device memory.</summary>
    public long Bytes { get; } = (arena?.Length ?? 0) + (deviceArena?.Bytes ?? 0);

    /// <summary>The steps in running order.</summary>
    public Step[] Steps { get; } = steps;

    /// <summary>The steps as whole runs take them: on a device, launches in a row are one call.</summary>
    public Step[] Recorded { get; } = recorded;

    /// <summary>Frees device memory; host memory is the collector's.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        foreach (SequenceStep sequence in Recorded.OfType<SequenceStep>()) sequence.Dispose();
        foreach (Step step in Steps) (step as IDisposable)?.Dispose();
        DeviceArena?.Dispose();
        graph.Release();
    }
}
