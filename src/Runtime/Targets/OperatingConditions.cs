namespace CoInference.Runtime.Targets;

/// <summary>What a device knows of its surroundings just before it answers a request. A value that cannot be had is NaN.</summary>
/// <param name="ProcessorLoad">Share of the device's processors that other programs use, 0 to 1.</param>
/// <param name="MemoryLoad">Share of the device's memory bandwidth or of its memory that other programs press on, 0 to 1.</param>
/// <param name="BytesPerSecond">Rate of the link towards the edge, estimated from recent frames.</param>
/// <param name="RoundTripSeconds">Round-trip time of the link, estimated likewise.</param>
/// <param name="SignalDbm">Strength of the radio signal in dBm.</param>
/// <param name="Celsius">Temperature of the processor in degrees Celsius.</param>
/// <param name="ClockHertz">Clock of the processor.</param>
public readonly record struct OperatingConditions(
    double ProcessorLoad,
    double MemoryLoad,
    double BytesPerSecond,
    double RoundTripSeconds,
    double SignalDbm,
    double Celsius,
    double ClockHertz);
