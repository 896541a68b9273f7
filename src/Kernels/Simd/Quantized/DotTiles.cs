using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>The micro-kernel of <see cref="DotConv"/> and its arguments: register tiles of 6 pixels x 16 output channels.</summary>
internal unsafe struct DotTiles
{
    /// <summary>Pixels of a tile.</summary>
    public const int Pixels = 6;

    /// <summary>Output channels of a tile.</summary>
    public const int Outputs = 16;

    /// <summary>Weights of one step: four channels of each output.</summary>
    public const int StepWeights = 4 * Outputs;

    /// <summary>The input; taps and pixels are offsets from here.</summary>
    public byte* Input;

    /// <summary>Offset of each pixel of each tile, in bytes.</summary>
    public int* PixelOffsets;

    /// <summary>[step][output][channel], 32-byte aligned.</summary>
    public sbyte* Weights;

    /// <summary>Offset of each step's four channels, in bytes.</summary>
    public int* TapOffsets;

    /// <summary>What the sum of each output starts from.</summary>
    public int* Start;

    /// <summary>Receives [pixel][output].</summary>
    public int* Sums;

    /// <summary>Steps of a sum.</summary>
    public int Steps;

    /// <summary>Tiles.</summary>
    public int Count;

    /// <summary>Computes all tiles.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(DotTiles* tiles)
    {
        int* pixel = tiles->PixelOffsets;
        int* sums = tiles->Sums;
        for (int count = tiles->Count; count > 0; count--, pixel += Pixels, sums += Pixels * Outputs)
        {
            byte* p0 = tiles->Input + pixel[0], p1 = tiles->Input + pixel[1], p2 = tiles->Input + pixel[2];
            byte* p3 = tiles->Input + pixel[3], p4 = tiles->Input + pixel[4], p5 = tiles->Input + pixel[5];
            sbyte* weights = tiles->Weights;
            int* offset = tiles->TapOffsets;
            Vector256<int> a0 = Vector256.Load(tiles->Start), b0 = Vector256.Load(tiles->Start + 8);
            Vector256<int> a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0;
            Vector256<int> b1 = b0, b2 = b0, b3 = b0, b4 = b0, b5 = b0;
            for (int steps = tiles->Steps; steps > 0; steps--)
            {
                nint at = *offset++;
                Vector256<sbyte> wa = Vector256.LoadAligned(weights), wb = Vector256.LoadAligned(weights + 32);
                weights += StepWeights;
                Vector256<byte> x = Repeat(p0 + at);
                a0 = AvxVnni.MultiplyWideningAndAdd(a0, x, wa);
                b0 = AvxVnni.MultiplyWideningAndAdd(b0, x, wb);
                x = Repeat(p1 + at);
                a1 = AvxVnni.MultiplyWideningAndAdd(a1, x, wa);
                b1 = AvxVnni.MultiplyWideningAndAdd(b1, x, wb);
                x = Repeat(p2 + at);
                a2 = AvxVnni.MultiplyWideningAndAdd(a2, x, wa);
                b2 = AvxVnni.MultiplyWideningAndAdd(b2, x, wb);
                x = Repeat(p3 + at);
                a3 = AvxVnni.MultiplyWideningAndAdd(a3, x, wa);
                b3 = AvxVnni.MultiplyWideningAndAdd(b3, x, wb);
                x = Repeat(p4 + at);
                a4 = AvxVnni.MultiplyWideningAndAdd(a4, x, wa);
                b4 = AvxVnni.MultiplyWideningAndAdd(b4, x, wb);
                x = Repeat(p5 + at);
                a5 = AvxVnni.MultiplyWideningAndAdd(a5, x, wa);
                b5 = AvxVnni.MultiplyWideningAndAdd(b5, x, wb);
            }

            a0.Store(sums);
            b0.Store(sums + 8);
            a1.Store(sums + 16);
            b1.Store(sums + 24);
            a2.Store(sums + 32);
            b2.Store(sums + 40);
            a3.Store(sums + 48);
            b3.Store(sums + 56);
            a4.Store(sums + 64);
            b4.Store(sums + 72);
            a5.Store(sums + 80);
            b5.Store(sums + 88);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<byte> Repeat(byte* quad) => Vector256.Create(*(int*)quad).AsByte();
}
