namespace CoInference.Kernels.Simd.Conv;

/// <summary>Arguments of one call of a Winograd transform: patches side by side in one channel block.</summary>
internal unsafe struct WinogradPatches
{
    /// <summary>Upper left pixel of the first patch: read by the input transform, written by the output transform.</summary>
    public float* Pixels;

    /// <summary>Residual of the first patch, or null; laid out like the pixels with a row step of its own.</summary>
    public float* Residual;

    /// <summary>Floats between rows of pixels.</summary>
    public nint RowStep;

    /// <summary>Floats between rows of the residual.</summary>
    public nint ResidualRowStep;

    /// <summary>The first patch in the plane of element (0, 0) of the transform domain; neighbouring patches are adjacent.</summary>
    public float* Elements;

    /// <summary>Floats between the planes of neighbouring elements, row by row of the transformed patch.</summary>
    public nint PlaneStep;

    /// <summary>Patches.</summary>
    public int Count;

    /// <summary>Bias per lane; for the output transform.</summary>
    public float* Bias;

    /// <summary>Lower bound per lane.</summary>
    public float* Minimum;

    /// <summary>Upper bound per lane.</summary>
    public float* Maximum;
}
