namespace CoInference.Runtime.Codec;

/// <summary>How a codec is calibrated.</summary>
public sealed record CodecOptions
{
    /// <summary>One range for all channels instead of one per channel.</summary>
    public bool PerTensorRange { get; init; }

    /// <summary>
    /// Ranges that minimise the squared error on the calibration features; when off, ranges reach from the smallest to the
    /// largest calibrated value.
    /// </summary>
    public bool Clip { get; init; } = true;

    /// <summary>The range of every channel, as a learned code has it; null to calibrate ranges.</summary>
    public CodeRange? Given { get; init; }
}
