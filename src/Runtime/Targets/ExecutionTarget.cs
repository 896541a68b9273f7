namespace CoInference.Runtime.Targets;

/// <summary>Where the layers of a network run.</summary>
public enum TargetPlacement
{
    /// <summary>All of them on the device.</summary>
    Device,

    /// <summary>All of them on the edge; the image crosses.</summary>
    Edge,

    /// <summary>The first half on the device, the rest on the edge; a feature crosses.</summary>
    Split,
}

/// <summary>One way to answer a request: what runs where, at which precision, and what crosses the link.</summary>
/// <param name="Name">Unique among the targets of a device, without spaces: <c>cpu.2.f32</c>, <c>edge.png</c>, <c>cut.pool.out.4bit</c>.</param>
/// <param name="Placement">Where the layers run.</param>
/// <param name="Device">What runs the device's layers: <c>cpu</c>, <c>opencl:0</c>, <c>cuda:0</c>; empty when the edge runs all.</param>
/// <param name="Threads">CPU threads of the device's layers; 0 when the CPU runs none.</param>
/// <param name="Precision">Numbers of the device's layers: <c>f32</c> or <c>i8</c>.</param>
/// <param name="Cut">The value that crosses; empty when none or the image does.</param>
/// <param name="Coding">What is made of it: <c>raw</c>, <c>png</c>, or bits and coder of the feature codec; empty when nothing crosses.</param>
/// <param name="PayloadBytes">Expected bytes that cross for one request, header included; 0 when nothing crosses.</param>
/// <param name="Accuracy">Share of right answers on images that no choice was made with, 0 to 1.</param>
public sealed record ExecutionTarget(
    string Name,
    TargetPlacement Placement,
    string Device,
    int Threads,
    string Precision,
    string Cut,
    string Coding,
    double PayloadBytes,
    double Accuracy);
