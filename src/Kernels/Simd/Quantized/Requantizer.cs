using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>Turns the 32-bit sums of integer layers into 8-bit integers of another scale, as ONNX defines it for QLinearConv.</summary>
public static unsafe class Requantizer
{
    /// <summary>Writes round((sum + bias) x scale) + zero point, rounded to even and saturated, for the sums of one output channel.</summary>
    /// <param name="sums">Sums.</param>
    /// <param name="count">How many.</param>
    /// <param name="bias">Added to every sum.</param>
    /// <param name="scale">Input scale x weight scale / output scale, in float32.</param>
    /// <param name="zeroPoint">Zero point of the output.</param>
    /// <param name="isSigned">Whether the output is signed, -128 to 127, else 0 to 255.</param>
    /// <param name="target">Receives a byte per sum; signed ones by their bits.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(int* sums, int count, int bias, float scale, int zeroPoint, bool isSigned, byte* target)
    {
        int i = 0, step = Vector256<int>.Count;
        (float minimum, float maximum) = isSigned ? (-128f, 127f) : (0f, 255f);
        Vector256<int> added = Vector256.Create(bias);
        Vector256<float> factor = Vector256.Create(scale), zero = Vector256.Create((float)zeroPoint);
        Vector256<float> low = Vector256.Create(minimum), high = Vector256.Create(maximum);
        for (; i <= count - (4 * step); i += 4 * step)
        {
            Vector256<int> a = Round(sums + i, added, factor, zero, low, high), b = Round(sums + i + step, added, factor, zero, low, high);
            Vector256<int> c = Round(sums + i + (2 * step), added, factor, zero, low, high), d = Round(sums + i + (3 * step), added, factor, zero, low, high);
            Vector256.Narrow(Vector256.Narrow(a, b), Vector256.Narrow(c, d)).AsByte().Store(target + i);
        }

        for (; i < count; i++)
            target[i] = (byte)(int)Math.Clamp(MathF.Round((sums[i] + bias) * scale, MidpointRounding.ToEven) + zeroPoint, minimum, maximum);
    }

    // A value too large for the sum with the zero point to be exact is beyond the range with and without it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Round(
        int* sums, Vector256<int> bias, Vector256<float> scale, Vector256<float> zero, Vector256<float> low, Vector256<float> high)
    {
        Vector256<float> rounded = Vector256.Round(Vector256.ConvertToSingle(Vector256.Load(sums) + bias) * scale) + zero;
        return Vector256.ConvertToInt32Native(Vector256.MinNative(Vector256.MaxNative(rounded, low), high));
    }
}
