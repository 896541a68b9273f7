namespace CoInference.Runtime.Targets;

/// <summary>What a device measured of a target before it used it.</summary>
/// <param name="DeviceSeconds">The device's share, run again and again; median.</param>
/// <param name="EncodeSeconds">Encoding what crosses; median, 0 when nothing does.</param>
/// <param name="SwitchSeconds">How much longer the device's share takes right after another target ran: caches are cold and threads asleep. Median, at least 0.</param>
public readonly record struct TargetStart(double DeviceSeconds, double EncodeSeconds, double SwitchSeconds);
