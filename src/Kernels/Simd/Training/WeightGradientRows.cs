namespace CoInference.Kernels.Simd.Training;

/// <summary>Arguments of one call of a weight-gradient micro-kernel: rows of pixels of one image.</summary>
internal unsafe struct WeightGradientRows
{
    /// <summary>Input at the first pixel and tap, at the first input channel.</summary>
    public float* Input;

    /// <summary>Output gradient at the first pixel, at lane 0 of the block.</summary>
    public float* Gradient;

    /// <summary>Sums to add to, [input channel][lane].</summary>
    public float* Sums;

    /// <summary>Floats between the inputs of neighbouring output pixels.</summary>
    public nint InputPitch;

    /// <summary>Floats between the inputs of consecutive output rows.</summary>
    public nint InputRowStep;

    /// <summary>Floats between consecutive rows of the output gradient.</summary>
    public nint GradientRowStep;

    /// <summary>Output pixels per row.</summary>
    public int Pixels;

    /// <summary>Output rows.</summary>
    public int Rows;
}
