namespace CoInference.Kernels.Simd.Conv;

/// <summary>Arguments of one call of a direct-convolution micro-kernel: equally spaced register tiles.</summary>
internal unsafe struct ConvTile
{
    /// <summary>Channel 0, first pixel of the first tile; taps are offsets from here.</summary>
    public float* Input;

    /// <summary>Floats between channel blocks of the input.</summary>
    public nint InputBlockStride;

    /// <summary>Offset of each kernel tap from <see cref="Input"/>, in floats.</summary>
    public nint* TapOffsets;

    /// <summary>Kernel taps.</summary>
    public int Taps;

    /// <summary>Input channels to sum over; only the last block may be partial.</summary>
    public int Channels;

    /// <summary>Packed weights: [input block][tap][channel of the block][output block][lane].</summary>
    public float* Weights;

    /// <summary>First value of every output channel of the tile: [output block][lane].</summary>
    public float* Bias;

    /// <summary>Lower bound of every output channel.</summary>
    public float* Minimum;

    /// <summary>Upper bound of every output channel.</summary>
    public float* Maximum;

    /// <summary>Added to the bias: a residual, or the sum over earlier input channels; null for nothing. Laid out like the output.</summary>
    public float* Addend;

    /// <summary>First pixel of the first tile in the first output block.</summary>
    public float* Output;

    /// <summary>Floats between channel blocks of the output.</summary>
    public nint OutputBlockStride;

    /// <summary>Floats between neighbouring output pixels, for micro-kernels that do not know it as a constant.</summary>
    public nint OutputPitch;

    /// <summary>Floats between the input of consecutive tiles.</summary>
    public nint InputStep;

    /// <summary>Floats between the output of consecutive tiles.</summary>
    public nint OutputStep;

    /// <summary>Weights to bring near for later calls; the micro-kernel moves it on.</summary>
    public float* NextWeights;

    /// <summary>Cache lines of <see cref="NextWeights"/> to fetch per tap and input block.</summary>
    public int PrefetchLines;

    /// <summary>Tiles to do: side by side in a row, or one per row when a row is one tile.</summary>
    public int Tiles;
}
