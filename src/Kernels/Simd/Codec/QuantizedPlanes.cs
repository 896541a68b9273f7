namespace CoInference.Kernels.Simd.Codec;

/// <summary>Planes of a feature that are quantized, each or all with one range.</summary>
public unsafe struct QuantizedPlanes
{
    /// <summary>The feature, [channel][pixel].</summary>
    public float* Feature { get; set; }

    /// <summary>Channel of each plane.</summary>
    public int* Channels { get; set; }

    /// <summary>Planes.</summary>
    public int Count { get; set; }

    /// <summary>Values of a plane.</summary>
    public int Pixels { get; set; }

    /// <summary>What values are multiplied with; see <see cref="RangeStep"/>.</summary>
    public float* Scale { get; set; }

    /// <summary>What is added then.</summary>
    public float* Shift { get; set; }

    /// <summary>1 when each plane has a scale and shift of its own, 0 when the first is for all.</summary>
    public int RangeStep { get; set; }
}
