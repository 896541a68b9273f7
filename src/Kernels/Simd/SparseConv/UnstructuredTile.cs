using System.Runtime.InteropServices;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>One weight that is not zero.</summary>
/// <param name="Offset">Floats from the first vector of the tile to the input this weight multiplies.</param>
/// <param name="Value">The weight.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct SparseWeight(int Offset, float Value);

/// <summary>
/// Arguments of one call of an unstructured micro-kernel: neighbouring vectors of output pixels, a range of output channels
/// and a chunk of the input channels.
/// </summary>
internal unsafe struct UnstructuredTile
{
    /// <summary>Input of the first vector; weights are offsets from here.</summary>
    public float* Input;

    /// <summary>Weights of the first output channel; those of the next channels follow.</summary>
    public SparseWeight* Weights;

    /// <summary>Number of weights of each output channel.</summary>
    public int* Counts;

    /// <summary>Output channels to compute.</summary>
    public int Channels;

    /// <summary>Bias of each output channel.</summary>
    public float* Bias;

    /// <summary>Sums over the earlier chunks, one tile for each output channel.</summary>
    public float* Sums;

    /// <summary>Whether sums begin with the bias.</summary>
    public bool IsFirst;

    /// <summary>Whether sums are finished and go to <see cref="Output"/>.</summary>
    public bool IsLast;

    /// <summary>First pixel of the first output channel.</summary>
    public float* Output;

    /// <summary>Added to the sums, laid out like the output; null for nothing.</summary>
    public float* Residual;

    /// <summary>Floats between output channels.</summary>
    public nint OutputStride;

    /// <summary>Lower bound of the activation.</summary>
    public float Minimum;

    /// <summary>Upper bound of the activation.</summary>
    public float Maximum;

    /// <summary>
    /// Pixels to store where they form one run; fewer than the vectors hold at the end of an image. 0 where each lane has
    /// its own patch.
    /// </summary>
    public int Pixels;

    /// <summary>Floats from <see cref="Output"/> to the first pixel of each lane; null where pixels form one run.</summary>
    public int* Lanes;

    /// <summary>Pixels that each lane stores; fewer than there are vectors where a patch reaches beyond the image.</summary>
    public int* LaneColumns;

    /// <summary>Room for eight vectors, through which pixels pass that are not stored as whole vectors.</summary>
    public float* Spill;
}
