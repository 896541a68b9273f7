using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>How the pixels of patches fill a vector in a Winograd transform.</summary>
/// <typeparam name="TVector">Vector type.</typeparam>
internal unsafe interface IPatchVector<TVector>
    where TVector : unmanaged
{
    /// <summary>Patches, side by side in the image, that one vector holds.</summary>
    static abstract int Patches { get; }

    /// <summary>Channels of a block, the floats between neighbouring pixels.</summary>
    static abstract int Channels { get; }

    /// <summary>Reads one pixel of every patch.</summary>
    /// <param name="pixel">That of the first patch.</param>
    /// <param name="distance">Floats from there to the same pixel of the next patch; a constant.</param>
    static abstract TVector Load(float* pixel, int distance);

    /// <summary>Writes one pixel of every patch.</summary>
    static abstract void Store(float* pixel, int distance, TVector value);

    /// <summary>Reads one value per channel, the same for every patch.</summary>
    static abstract TVector LoadChannels(float* values);
}

/// <summary>A vector is a pixel: its lanes are the channels of a block.</summary>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type.</typeparam>
internal readonly unsafe struct OnePatch<TSimd, TVector> : IPatchVector<TVector>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
{
    /// <inheritdoc/>
    public static int Patches => 1;

    /// <inheritdoc/>
    public static int Channels => TSimd.Lanes;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load(float* pixel, int distance) => TSimd.Load(pixel);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* pixel, int distance, TVector value) => TSimd.Store(pixel, value);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector LoadChannels(float* values) => TSimd.Load(values);
}

/// <summary>Two patches of 8 channels share a vector of 16 lanes.</summary>
internal readonly unsafe struct TwoPatches : IPatchVector<Vector512<float>>
{
    /// <inheritdoc/>
    public static int Patches => 2;

    /// <inheritdoc/>
    public static int Channels => 8;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* pixel, int distance) =>
        Vector512.Create(Vector256.Load(pixel), Vector256.Load(pixel + distance));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* pixel, int distance, Vector512<float> value)
    {
        value.GetLower().Store(pixel);
        value.GetUpper().Store(pixel + distance);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadChannels(float* values)
    {
        Vector256<float> channels = Vector256.Load(values);
        return Vector512.Create(channels, channels);
    }
}
