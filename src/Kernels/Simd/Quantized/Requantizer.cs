using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>Where a layer leaves 8-bit integers of another scale in place of its sums, and how they become these; see <see cref="Requantizer"/>.</summary>
/// <param name="output">[Batch, OutChannels, OutHeight, OutWidth].</param>
/// <param name="bias">One per output channel.</param>
/// <param name="scales">Input scale x weight scale / output scale, one per output channel.</param>
/// <param name="zeroPoint">Zero point of the output.</param>
/// <param name="isSigned">Whether the output is signed.</param>
public readonly unsafe struct RequantizedOutput(byte* output, int* bias, float* scales, int zeroPoint, bool isSigned)
{
    /// <summary>Stores some sums of one output channel.</summary>
    /// <param name="sums">Sums.</param>
    /// <param name="count">How many.</param>
    /// <param name="channel">Output channel.</param>
    /// <param name="offset">Place of the first in the output.</param>
    internal void Store(int* sums, int count, int channel, long offset) =>
        Requantizer.Run(sums, count, bias[channel], scales[channel], zeroPoint, isSigned, output + offset);
}

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
        var range = new ByteRange(zeroPoint, isSigned);
        Vector256<int> added = Vector256.Create(bias);
        Vector256<float> factor = Vector256.Create(scale);
        int i = 0;
        for (; i <= count - ByteRange.Group; i += ByteRange.Group)
        {
            range.Store(
                Scaled(sums + i, added, factor), Scaled(sums + i + 8, added, factor), Scaled(sums + i + 16, added, factor), Scaled(sums + i + 24, added, factor), target + i);
        }

        for (; i < count; i++) target[i] = range.Round((sums[i] + bias) * scale);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Scaled(int* sums, Vector256<int> bias, Vector256<float> scale) => Vector256.ConvertToSingle(Vector256.Load(sums) + bias) * scale;
}
