using System.Runtime.Intrinsics;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Training;

/// <summary>
/// A convolution forward and backward on <see cref="BorderedMap"/>s. Methods on image ranges may run at the same time on
/// different ranges; each range of weight gradients has sums of its own.
/// </summary>
public abstract unsafe class ConvGradient
{
    private protected ConvGradient(ConvGradientShape shape) => Shape = shape;

    /// <summary>The convolution.</summary>
    public ConvGradientShape Shape { get; }

    /// <summary>Floats of one buffer of weight-gradient sums.</summary>
    public abstract int SumCount { get; }

    /// <summary>Creates the passes for this machine's vectors.</summary>
    /// <param name="shape">The convolution.</param>
    /// <param name="input">A map of the input's geometry.</param>
    /// <param name="output">A map of the output's geometry.</param>
    /// <param name="gradient">A map of the geometry of the output's gradient.</param>
    /// <param name="inputGradient">A map of the geometry of the input's gradient; null when it is not wanted.</param>
    public static ConvGradient Create(ConvGradientShape shape, MapGeometry input, MapGeometry output, MapGeometry gradient, MapGeometry? inputGradient) =>
        CpuFeatures.Widest switch
        {
            VectorWidth.Vector512 => Create<Simd512, Vector512<float>, N16>(shape, input, output, gradient, inputGradient),
            VectorWidth.Vector256 => Create<Simd256, Vector256<float>, N8>(shape, input, output, gradient, inputGradient),
            VectorWidth.Vector128 => Create<Simd128, Vector128<float>, N4>(shape, input, output, gradient, inputGradient),
            _ => Create<SimdScalar, float, N1>(shape, input, output, gradient, inputGradient),
        };

    /// <summary>Takes new weights, [out][in / groups][kernel row][kernel column].</summary>
    public abstract void Pack(ReadOnlySpan<float> weights);

    /// <summary>Computes the output of some images.</summary>
    /// <param name="input">Input.</param>
    /// <param name="output">Output.</param>
    /// <param name="first">First image.</param>
    /// <param name="afterLast">After the last image.</param>
    /// <param name="bias">One per output channel, filled with zeros to whole blocks.</param>
    /// <param name="low">Lower bound of the output.</param>
    /// <param name="high">Upper bound of the output.</param>
    public abstract void Forward(BorderedMap input, BorderedMap output, int first, int afterLast, ReadOnlySpan<float> bias, float low, float high);

    /// <summary>Computes or adds to the gradient of the input of some images.</summary>
    public abstract void BackwardInput(BorderedMap gradient, BorderedMap inputGradient, int first, int afterLast, bool accumulate);

    /// <summary>Adds the weight gradients of some images to <paramref name="sums"/>, <see cref="SumCount"/> floats.</summary>
    public abstract void BackwardWeights(BorderedMap input, BorderedMap gradient, int first, int afterLast, Span<float> sums);

    /// <summary>Brings weight gradients to the order of the weights.</summary>
    public abstract void Unpack(ReadOnlySpan<float> sums, Span<float> gradients);

    private static ConvGradient Create<TSimd, TVector, TLanes>(
        ConvGradientShape shape, MapGeometry input, MapGeometry output, MapGeometry gradient, MapGeometry? inputGradient)
        where TSimd : ISimd<TVector>
        where TVector : unmanaged
        where TLanes : IConstant => shape.IsDepthwise
            ? new DepthwiseConvGradient<TSimd, TVector>(shape, input, output, gradient, inputGradient)
            : WinogradConvGradient<TSimd, TVector, TLanes>.Supports(shape, inputGradient is not null)
            ? new WinogradConvGradient<TSimd, TVector, TLanes>(shape, inputGradient is not null)
            : new DenseConvGradient<TSimd, TVector, TLanes>(shape, input, output, gradient, inputGradient);
}
