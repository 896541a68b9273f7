namespace CoInference.Kernels.Gpu.Programs;

/// <summary>What an integer convolution stores.</summary>
internal enum IntegerResult
{
    /// <summary>Sums.</summary>
    Sums,

    /// <summary>Sums rounded to float32.</summary>
    Floats,

    /// <summary>Bytes of another scale.</summary>
    Bytes,
}
