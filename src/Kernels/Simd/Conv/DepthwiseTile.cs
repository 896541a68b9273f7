namespace CoInference.Kernels.Simd.Conv;

/// <summary>Arguments of one call of the depthwise micro-kernel: register tiles side by side, over several rows.</summary>
internal unsafe struct DepthwiseTile
{
    /// <summary>Tap (0, 0) of the first pixel of the first row; clipped taps may point outside the image and are not read.</summary>
    public float* Input;

    /// <summary>Floats between the input of neighbouring output rows.</summary>
    public nint InputRowStep;

    /// <summary>Floats between rows of kernel taps in the input.</summary>
    public nint TapRowStep;

    /// <summary>Offset of each kernel column from the first, in floats.</summary>
    public nint* TapColumns;

    /// <summary>Kernel rows to sum over.</summary>
    public int KernelRows;

    /// <summary>Kernel columns.</summary>
    public int KernelColumns;

    /// <summary>Kernel columns that the very first pixel of a row must skip: they lie left of the image.</summary>
    public int LeftClip;

    /// <summary>Kernel columns that the very last pixel of a row has; those from here on lie right of the image.</summary>
    public int RightEnd;

    /// <summary>Weights of the block: [kernel row][kernel column][lane].</summary>
    public float* Weights;

    /// <summary>Bias per lane.</summary>
    public float* Bias;

    /// <summary>Lower bound per lane.</summary>
    public float* Minimum;

    /// <summary>Upper bound per lane.</summary>
    public float* Maximum;

    /// <summary>Residual, or null; laid out like the output.</summary>
    public float* Addend;

    /// <summary>First output pixel.</summary>
    public float* Output;

    /// <summary>Floats between output rows.</summary>
    public nint OutputRowStep;

    /// <summary>Tiles side by side.</summary>
    public int Tiles;

    /// <summary>Output rows.</summary>
    public int Rows;
}
