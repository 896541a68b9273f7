namespace CoInference.Kernels.Simd.Conv;

/// <summary>
/// The products of a Winograd convolution with their packed weights: for each element of the transform domain, a matrix of
/// patches x input channels times one of input channels x output channels.
/// </summary>
internal abstract unsafe class WinogradProduct
{
    /// <summary>Bytes of packed weights.</summary>
    public abstract long WeightBytes { get; }

    /// <summary>Output channel blocks that are computed together, in order; threads may share these out.</summary>
    public abstract IReadOnlyList<OutputGroup> Groups { get; }

    /// <summary>Multiplies a strip of patches. Allocates nothing.</summary>
    /// <param name="input">[element][input block][patch][lane].</param>
    /// <param name="inputPlane">Floats between its elements.</param>
    /// <param name="output">[element][output block from the first group's on][patch][lane].</param>
    /// <param name="outputPlane">Floats between its elements.</param>
    /// <param name="patches">Patches of the strip.</param>
    /// <param name="firstGroup">First of <see cref="Groups"/> to compute.</param>
    /// <param name="endGroup">One behind the last.</param>
    public abstract void Run(float* input, nint inputPlane, float* output, nint outputPlane, int patches, int firstGroup, int endGroup);

    /// <summary>Output channel blocks of one call of a micro-kernel.</summary>
    /// <param name="FirstBlock">The first of them.</param>
    /// <param name="Blocks">How many.</param>
    internal readonly record struct OutputGroup(int FirstBlock, int Blocks);
}
