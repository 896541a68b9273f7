using System.Runtime.CompilerServices;

namespace CoInference.Kernels.Simd.Codec;

/// <summary>
/// Quantization with packing, and unpacking with restoring, in one pass over the floats: <see cref="AffineQuantizer"/> and
/// <see cref="BitPacking"/> without symbols in memory between them. The packed bytes and the values are theirs to the bit.
/// </summary>
public static unsafe partial class PackedQuantizer
{
    // Symbols of a chunk stay in the first-level cache; a multiple of 8, so that chunks begin at a byte.
    private const int Chunk = 2048;

    /// <summary>Quantizes and packs values.</summary>
    /// <param name="source">Values.</param>
    /// <param name="packed">Receives <see cref="BitPacking.PackedBytes"/> bytes.</param>
    /// <param name="count">Number of values.</param>
    /// <param name="inverse">Reciprocal of the step; 0 maps everything to <paramref name="offset"/>.</param>
    /// <param name="offset">Symbol of value 0, not rounded.</param>
    /// <param name="bits">Bits per symbol, 1 to 8.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(float* source, byte* packed, int count, float inverse, float offset, int bits)
    {
        int done = PackGroups(source, packed, count, inverse, offset, bits);
        if (done < count) PackChunks(source, packed, count, inverse, offset, bits, done);
    }

    /// <summary>As <see cref="Pack"/> for many planes of one feature. A plane can take less time than a call; here there is one for all of them.</summary>
    /// <param name="planes">Planes.</param>
    /// <param name="packed">Receives <see cref="BitPacking.PackedBytes"/> bytes for each plane, one after the other.</param>
    /// <param name="bits">Bits per symbol, 1 to 8.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void PackPlanes(in QuantizedPlanes planes, byte* packed, int bits)
    {
        if (HasGroups(bits) && planes.Pixels % Group == 0)
        {
            PackWholeGroups(planes, packed, bits);
            return;
        }

        int planeBytes = BitPacking.PackedBytes(planes.Pixels, bits);
        for (int k = 0; k < planes.Count; k++, packed += planeBytes)
            Pack(planes.Feature + ((nint)planes.Channels[k] * planes.Pixels), packed, planes.Pixels, planes.Scale[k * planes.RangeStep], planes.Shift[k * planes.RangeStep], bits);
    }

    // Apart, because the memory of the symbols is cleared at every call.
    private static void PackChunks(float* source, byte* packed, int count, float inverse, float offset, int bits, int done)
    {
        byte* symbols = stackalloc byte[Chunk];
        for (; done < count; done += Chunk)
        {
            int length = Math.Min(Chunk, count - done);
            AffineQuantizer.Quantize(source + done, symbols, length, inverse, offset, 1 << bits);
            BitPacking.Pack(symbols, packed + ((long)done * bits / 8), length, bits);
        }
    }

    /// <summary>Unpacks symbols and restores their values.</summary>
    /// <param name="packed"><see cref="BitPacking.PackedBytes"/> bytes.</param>
    /// <param name="target">Receives one value per symbol.</param>
    /// <param name="count">Number of symbols.</param>
    /// <param name="step">Distance between the values of neighbouring symbols.</param>
    /// <param name="minimum">Value of symbol 0.</param>
    /// <param name="bits">Bits per symbol, 1 to 8.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Unpack(byte* packed, float* target, int count, float step, float minimum, int bits)
    {
        int done = UnpackGroups(packed, target, count, step, minimum, bits);
        if (done < count) UnpackChunks(packed, target, count, step, minimum, bits, done);
    }

    /// <summary>As <see cref="Unpack"/> for many planes of one feature; scale is the step and shift the minimum.</summary>
    /// <param name="planes">Planes, which are written.</param>
    /// <param name="packed"><see cref="BitPacking.PackedBytes"/> bytes for each plane, one after the other.</param>
    /// <param name="bits">Bits per symbol, 1 to 8.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void UnpackPlanes(in QuantizedPlanes planes, byte* packed, int bits)
    {
        if (HasGroups(bits) && planes.Pixels % Group == 0)
        {
            UnpackWholeGroups(planes, packed, bits);
            return;
        }

        int planeBytes = BitPacking.PackedBytes(planes.Pixels, bits);
        for (int k = 0; k < planes.Count; k++, packed += planeBytes)
            Unpack(packed, planes.Feature + ((nint)planes.Channels[k] * planes.Pixels), planes.Pixels, planes.Scale[k * planes.RangeStep], planes.Shift[k * planes.RangeStep], bits);
    }

    private static void UnpackChunks(byte* packed, float* target, int count, float step, float minimum, int bits, int done)
    {
        byte* symbols = stackalloc byte[Chunk];
        for (; done < count; done += Chunk)
        {
            int length = Math.Min(Chunk, count - done);
            BitPacking.Unpack(packed + ((long)done * bits / 8), symbols, length, bits);
            AffineQuantizer.Dequantize(symbols, target + done, length, step, minimum);
        }
    }
}
