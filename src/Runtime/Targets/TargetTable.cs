using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Targets;

/// <summary>What is left for the edge to compute: the context of a bandit that learns the edge's time.</summary>
/// <param name="ConvolutionMultiplyAdds">Multiply-adds of its convolutions.</param>
/// <param name="Convolutions">Number of convolutions.</param>
/// <param name="DenseMultiplyAdds">Multiply-adds of its fully connected layers.</param>
/// <param name="DenseLayers">Number of fully connected layers.</param>
/// <param name="Activations">Values that pass an activation function.</param>
/// <param name="ActivationLayers">Number of activation functions.</param>
public sealed record EdgeWork(double ConvolutionMultiplyAdds, int Convolutions, double DenseMultiplyAdds, int DenseLayers, double Activations, int ActivationLayers);

/// <summary>Size of a network: the part of AutoScale's state that does not change at run time.</summary>
/// <param name="ConvolutionLayers">Number of convolutions.</param>
/// <param name="DenseLayers">Number of fully connected layers.</param>
/// <param name="RecurrentLayers">Number of recurrent layers.</param>
/// <param name="MultiplyAdds">Multiply-adds of one inference.</param>
public sealed record NetworkSize(int ConvolutionLayers, int DenseLayers, int RecurrentLayers, double MultiplyAdds);

/// <summary>Median times of one target on the recording host, undisturbed.</summary>
/// <param name="Target">The target.</param>
/// <param name="DeviceMs">The device's layers.</param>
/// <param name="EncodeMs">Encoding what crosses.</param>
/// <param name="DecodeMs">Decoding it on the edge.</param>
/// <param name="EdgeMs">The edge's layers.</param>
/// <param name="Work">What the edge computes.</param>
public sealed record TargetTimes(ExecutionTarget Target, double DeviceMs, double EncodeMs, double DecodeMs, double EdgeMs, EdgeWork Work);

/// <summary>How much longer the device's layers take while other programs run, measured.</summary>
/// <param name="Threads">CPU threads of the layers.</param>
/// <param name="Precision">Their precision.</param>
/// <param name="Kind">What the other programs do: <c>processor</c> (they compute) or <c>memory</c> (they stream through memory).</param>
/// <param name="Levels">Share of time that they do it, rising from 0.</param>
/// <param name="Slowdown">Mean time over the undisturbed mean time, one per level.</param>
public sealed record Interference(int Threads, string Precision, string Kind, IReadOnlyList<double> Levels, IReadOnlyList<double> Slowdown)
{
    /// <summary>Kind of co-runners that compute.</summary>
    public const string Processor = "processor";

    /// <summary>Kind of co-runners that stream through memory.</summary>
    public const string Memory = "memory";

    /// <summary>The slowdown at a level, linear between the measured ones.</summary>
    public double At(double level)
    {
        int above = 1;
        while (above < Levels.Count - 1 && Levels[above] < level) above++;
        double share = Math.Clamp((level - Levels[above - 1]) / (Levels[above] - Levels[above - 1]), 0, 1);
        return Slowdown[above - 1] + (share * (Slowdown[above] - Slowdown[above - 1]));
    }
}

/// <summary>Every way to answer a request with one network, measured on one host.</summary>
public sealed record TargetTable
{
    /// <summary>Schema name of the file.</summary>
    public const string SchemaName = "coinference.targets/1";

    /// <summary>Always <see cref="SchemaName"/>.</summary>
    public string Schema { get; init; } = SchemaName;

    /// <summary>Name of the network.</summary>
    public required string Network { get; init; }

    /// <summary>What the times were measured on; it stands for the device and for the edge.</summary>
    public required HostInfo Host { get; init; }

    /// <summary>Size of the network.</summary>
    public required NetworkSize Size { get; init; }

    /// <summary>What a right answer is: that of the label, or that of the network in f32 where the images' labels are not its classes.</summary>
    public required string AccuracyOf { get; init; }

    /// <summary>Images that accuracies and payloads are means over.</summary>
    public required int Images { get; init; }

    /// <summary>Bytes of a reply, header included.</summary>
    public required double ReplyBytes { get; init; }

    /// <summary>The targets.</summary>
    public required IReadOnlyList<TargetTimes> Targets { get; init; }

    /// <summary>How co-runners slow the device down; none where it was not measured.</summary>
    public required IReadOnlyList<Interference> Interferences { get; init; }

    /// <summary>Single undisturbed runs of the whole network over their median: how times scatter.</summary>
    public required IReadOnlyList<double> Scatter { get; init; }

    /// <summary>Reads a table.</summary>
    /// <exception cref="InvalidDataException">Not such a file, or a figure in it makes no sense; the message names it.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static TargetTable Load(string path)
    {
        TargetTable table = SchemaFile.Read(path, SchemaName, TargetJson.Default.TargetTable);
        if (table.Problem() is { } problem) throw new InvalidDataException($"{path}: {problem}");
        return table;
    }

    /// <summary>Writes the table.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path) => SchemaFile.Write(path, this, TargetJson.Default.TargetTable);

    /// <summary>The document as JSON text.</summary>
    public byte[] Serialize() => SchemaFile.Serialize(this, TargetJson.Default.TargetTable);

    /// <summary>How much longer a target's device layers take under load; processor and memory act together as a product. 1 where nothing was measured.</summary>
    /// <param name="target">The target.</param>
    /// <param name="processorLoad">Share of the processors that others use, 0 to 1.</param>
    /// <param name="memoryLoad">Share of the time that others stream through memory, 0 to 1.</param>
    public double Slowdown(ExecutionTarget target, double processorLoad, double memoryLoad)
    {
        ArgumentNullException.ThrowIfNull(target);
        double slowdown = 1;
        foreach (Interference curve in Interferences)
        {
            if (curve.Threads == target.Threads && curve.Precision == target.Precision)
                slowdown *= curve.At(curve.Kind == Interference.Memory ? memoryLoad : processorLoad);
        }

        return slowdown;
    }

    private string? Problem()
    {
        if (Targets.Count == 0) return "field 'targets' is empty, expected at least one target.";
        if (Scatter.Count == 0 || !Scatter.All(IsFactor)) return "field 'scatter': expected at least one positive number.";
        if (!(ReplyBytes is >= 0 and < 1e9)) return $"field 'replyBytes' is {ReplyBytes}, expected 0 to 1e9.";
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (TargetTimes row in Targets)
        {
            ExecutionTarget target = row.Target;
            if (target.Name.Length == 0 || target.Name.Contains(' ', StringComparison.Ordinal) || !names.Add(target.Name))
                return $"target '{target.Name}': expected a name without spaces that no other target has.";
            if (!IsTime(row.DeviceMs) || !IsTime(row.EncodeMs) || !IsTime(row.DecodeMs) || !IsTime(row.EdgeMs)) return $"target '{target.Name}': expected times from 0 to 1e6 ms.";
            if (!(target.Accuracy is >= 0 and <= 1)) return $"target '{target.Name}': accuracy is {target.Accuracy}, expected 0 to 1.";
            if (!(target.PayloadBytes is >= 0 and < 1e9)) return $"target '{target.Name}': payloadBytes is {target.PayloadBytes}, expected 0 to 1e9.";
            if (!Enum.IsDefined(target.Placement)) return $"target '{target.Name}': unknown placement.";
        }

        foreach (Interference curve in Interferences)
        {
            bool rises = curve.Levels.Count >= 2 && curve.Levels[0] == 0 && curve.Levels.Zip(curve.Levels.Skip(1)).All(pair => pair.First < pair.Second);
            if (!rises || curve.Slowdown.Count != curve.Levels.Count || !curve.Slowdown.All(IsFactor) || curve.Kind is not (Interference.Processor or Interference.Memory))
                return $"interference '{curve.Kind}' with {curve.Threads} threads: expected kind 'processor' or 'memory', levels rising from 0, and a positive slowdown for each.";
        }

        return null;
    }

    private static bool IsTime(double milliseconds) => milliseconds is >= 0 and <= 1e6;

    private static bool IsFactor(double value) => value is > 0 and < 1e6;
}
