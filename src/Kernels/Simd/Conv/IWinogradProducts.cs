using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>A way to compute the products of a Winograd convolution; the part of a registry row that is not the transforms.</summary>
internal interface IWinogradProducts
{
    /// <summary>Vector unit of the micro-kernel.</summary>
    static abstract VectorWidth Width { get; }

    /// <summary>What a row's name ends in, e.g. <c>v512</c>.</summary>
    static abstract string Suffix { get; }

    /// <summary>Register tile as shown in tables, patches x output channels.</summary>
    static abstract string Tile { get; }

    /// <summary>Output channel blocks of a register tile that take the least modelled time.</summary>
    static abstract int ChooseBlocks(ConvShape shape, int patches);

    /// <summary>Modelled cycles of one element of the transform domain for a strip.</summary>
    static abstract double Cycles(ConvShape shape, int patches, int tileBlocks);

    /// <summary>Transforms and packs the weights of a layer.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="tileBlocks">From <see cref="ChooseBlocks"/>.</param>
    /// <param name="points">The transform's finite interpolation points.</param>
    /// <param name="weights">[OutChannels, InChannels, 3, 3].</param>
    static abstract WinogradProduct Create(ConvShape shape, int tileBlocks, ReadOnlySpan<double> points, ReadOnlySpan<float> weights);
}
