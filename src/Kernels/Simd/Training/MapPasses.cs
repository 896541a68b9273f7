using System.Runtime.Intrinsics;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Training;

/// <summary>
/// The passes of training that are not convolutions, over images <c>first</c> to <c>afterLast</c> - 1. Values per channel are
/// arrays filled to whole blocks of <see cref="BorderedMap.Lanes"/>; bounds are exclusive where a gradient is masked.
/// </summary>
public abstract class MapPasses
{
    /// <summary>The passes on this machine's vectors.</summary>
    public static MapPasses Widest { get; } = CpuFeatures.Widest switch
    {
        VectorWidth.Vector512 => new VectorMapPasses<Simd512, Vector512<float>>(),
        VectorWidth.Vector256 => new VectorMapPasses<Simd256, Vector256<float>>(),
        VectorWidth.Vector128 => new VectorMapPasses<Simd128, Vector128<float>>(),
        _ => new VectorMapPasses<SimdScalar, float>(),
    };

    /// <summary>output = clamp(scale x input + offset + addend, low, high); scale, offset and addend may be left out.</summary>
    public abstract void Affine(
        BorderedMap input, ReadOnlySpan<float> scale, ReadOnlySpan<float> offset, BorderedMap? addend, BorderedMap output, int first, int afterLast, float low, float high);

    /// <summary>Zeroes the gradient wherever the output is not strictly between the bounds.</summary>
    public abstract void Mask(BorderedMap output, BorderedMap gradient, int first, int afterLast, float low, float high);

    /// <summary>target = source, or target += source.</summary>
    public abstract void Add(BorderedMap source, BorderedMap target, int first, int afterLast, bool accumulate);

    /// <summary>Adds, per channel, the sums of (x - shift) and of (x - shift)² to the arrays.</summary>
    public abstract void Moments(BorderedMap map, ReadOnlySpan<float> shift, int first, int afterLast, Span<double> sums, Span<double> squares);

    /// <summary>Adds, per channel, the sums of the gradient and of gradient x (x - mean) to the arrays; the products may be left out with <paramref name="map"/>.</summary>
    public abstract void GradientMoments(BorderedMap gradient, BorderedMap? map, ReadOnlySpan<float> mean, int first, int afterLast, Span<double> sums, Span<double> products);

    /// <summary>target = a x gradient + b x map + c per channel, or adds it to the target.</summary>
    public abstract void Combine(
        BorderedMap gradient, ReadOnlySpan<float> a, BorderedMap map, ReadOnlySpan<float> b, ReadOnlySpan<float> c, BorderedMap target, int first, int afterLast, bool accumulate);
}
