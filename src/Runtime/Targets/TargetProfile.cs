using CoInference.Runtime.Energy;

namespace CoInference.Runtime.Targets;

/// <summary>What a device knows of a target before it has used it: undisturbed times, what crosses, and the powers it draws.</summary>
/// <param name="Target">The target.</param>
/// <param name="DeviceSeconds">The device's layers.</param>
/// <param name="EncodeSeconds">Encoding on the device.</param>
/// <param name="EdgeSeconds">Decoding and the edge's layers on an idle edge.</param>
/// <param name="ReplyBytes">Bytes of the reply; 0 when nothing crosses.</param>
/// <param name="Work">What the edge computes.</param>
/// <param name="Power">Powers, for modelled energy.</param>
public sealed record TargetProfile(
    ExecutionTarget Target, double DeviceSeconds, double EncodeSeconds, double EdgeSeconds, double ReplyBytes, EdgeWork Work, TargetPower Power)
{
    /// <summary>Bytes that cross both ways.</summary>
    public double Bytes => Target.PayloadBytes + ReplyBytes;

    /// <summary>Profiles of all targets of a table.</summary>
    /// <param name="table">The table.</param>
    /// <param name="energy">Powers of the device.</param>
    /// <param name="slowdown">How many times slower the device is than the host of the table; emulated when it is not 1.</param>
    /// <exception cref="InvalidDataException">The energy model has no row for a target.</exception>
    public static IReadOnlyList<TargetProfile> FromTable(TargetTable table, EnergyModel energy, double slowdown)
    {
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(energy);
        return [.. table.Targets.Select(times => new TargetProfile(
            times.Target, slowdown * times.DeviceMs / 1000, slowdown * times.EncodeMs / 1000, (times.DecodeMs + times.EdgeMs) / 1000,
            times.Target.Placement == TargetPlacement.Device ? 0 : table.ReplyBytes, times.Work, energy.Of(times.Target)))];
    }
}
