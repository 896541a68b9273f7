using System.Runtime.Intrinsics;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>A Winograd transform over blocks of 8 channels that takes patches in pairs, and the last of an odd number alone.</summary>
/// <typeparam name="TPair">Transforms two patches at a time.</typeparam>
/// <typeparam name="TSingle">Transforms one.</typeparam>
internal readonly unsafe struct PatchPairTransform<TPair, TSingle> : IWinogradTransform<Vector256<float>>
    where TPair : IWinogradTransform<Vector512<float>>
    where TSingle : IWinogradTransform<Vector256<float>>
{
    /// <inheritdoc/>
    public static int OutputSize => TSingle.OutputSize;

    /// <inheritdoc/>
    public static ReadOnlySpan<double> Points => TSingle.Points;

    /// <inheritdoc/>
    public static double ErrorUnits => TSingle.ErrorUnits;

    /// <inheritdoc/>
    public static double PatchCycles => 0.6 * TSingle.PatchCycles;

    /// <inheritdoc/>
    public static void Input(WinogradPatches* patches)
    {
        WinogradPatches part = *patches;
        part.Count = patches->Count & ~1;
        if (part.Count != 0) TPair.Input(&part);
        if (part.Count == patches->Count) return;
        MoveOn(&part);
        TSingle.Input(&part);
    }

    /// <inheritdoc/>
    public static void Output(WinogradPatches* patches)
    {
        WinogradPatches part = *patches;
        part.Count = patches->Count & ~1;
        if (part.Count != 0) TPair.Output(&part);
        if (part.Count == patches->Count) return;
        MoveOn(&part);
        TSingle.Output(&part);
    }

    private static void MoveOn(WinogradPatches* part)
    {
        nint pixels = (nint)part->Count * OutputSize * Simd256.Lanes;
        part->Pixels += pixels;
        if (part->Residual != null) part->Residual += pixels;
        part->Elements += (nint)part->Count * Simd256.Lanes;
        part->Count = 1;
    }
}
