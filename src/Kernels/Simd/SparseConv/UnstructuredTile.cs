namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>
/// Arguments of one call of an unstructured micro-kernel: some vectors of output pixels, a range of output channels and a chunk of
/// the input channels.
/// </summary>
internal unsafe struct UnstructuredTile
{
    /// <summary>Weights that a micro-kernel takes at a time.</summary>
    public const int Step = 4;

    /// <summary>Input of the first vector; <see cref="Offsets"/> count from here.</summary>
    public float* Input;

    /// <summary>The weights that are not zero, output channel by output channel, each of which begins at a multiple of <see cref="Step"/>.</summary>
    public float* Values;

    /// <summary>Floats from <see cref="Input"/> to what each weight multiplies, laid out like the weights; two steps beyond the last are readable.</summary>
    public int* Offsets;

    /// <summary>Number of weights of each output channel.</summary>
    public int* Counts;

    /// <summary>Output channels to compute.</summary>
    public int Channels;

    /// <summary>Bias of each output channel, with which sums begin; null to continue <see cref="Sums"/>.</summary>
    public float* Bias;

    /// <summary>Sums over the chunks so far, one tile for each output channel.</summary>
    public float* Sums;

    /// <summary>First pixel of the first output channel, where finished sums go; null to keep them in <see cref="Sums"/>.</summary>
    public float* Output;

    /// <summary>Added to finished sums, laid out like the output; null for nothing.</summary>
    public float* Residual;

    /// <summary>Floats between output channels.</summary>
    public nint OutputStride;

    /// <summary>Floats between the vectors of the output.</summary>
    public nint OutputVectorStride;

    /// <summary>Lower bound of the activation.</summary>
    public float Minimum;

    /// <summary>Upper bound of the activation.</summary>
    public float Maximum;
}
