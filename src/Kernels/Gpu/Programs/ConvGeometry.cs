namespace CoInference.Kernels.Gpu.Programs;

/// <summary>Sizes of a convolution for kernels, in elements. Input and output are NCHW. Channel counts are those of one group.</summary>
internal struct ConvGeometry
{
    /// <summary>Images.</summary>
    public int Batch;

    /// <summary>Channel groups.</summary>
    public int Groups;

    /// <summary>Input channels of a group.</summary>
    public int InChannels;

    /// <summary>Input height in pixels.</summary>
    public int InHeight;

    /// <summary>Input width in pixels.</summary>
    public int InWidth;

    /// <summary>Output channels of a group.</summary>
    public int OutChannels;

    /// <summary>Output channels of a group as the packed weights have them, rounded up.</summary>
    public int PaddedOutChannels;

    /// <summary>Output height in pixels.</summary>
    public int OutHeight;

    /// <summary>Output width in pixels.</summary>
    public int OutWidth;

    /// <summary>Kernel height in taps.</summary>
    public int KernelHeight;

    /// <summary>Kernel width in taps.</summary>
    public int KernelWidth;

    /// <summary>Rows between output rows.</summary>
    public int StrideY;

    /// <summary>Columns between output columns.</summary>
    public int StrideX;

    /// <summary>Rows between taps.</summary>
    public int DilationY;

    /// <summary>Columns between taps.</summary>
    public int DilationX;

    /// <summary>Zero rows above the input.</summary>
    public int PadTop;

    /// <summary>Zero columns left of the input.</summary>
    public int PadLeft;

    /// <summary>Lower bound of the result.</summary>
    public float Minimum;

    /// <summary>Upper bound of the result.</summary>
    public float Maximum;
}
