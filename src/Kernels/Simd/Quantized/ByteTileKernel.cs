using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using CoInference.Kernels.Devices;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>A micro-kernel of <see cref="TiledByteConv"/>: some pixels by two vectors of output channels stay in registers over all steps of a sum.</summary>
internal abstract unsafe class ByteTileKernel
{
    private static readonly ByteTileKernel? _bytes = Bytes(), _words = Words();

    /// <summary>Name, e.g. <c>conv.integer.vnni512</c>.</summary>
    public abstract string Name { get; }

    /// <summary>Channels in the 32 bits of a cell: two of 16 bits, or four of unsigned bytes and signed weights.</summary>
    public abstract int CellChannels { get; }

    /// <summary>Output channels of a tile.</summary>
    public abstract int Outputs { get; }

    /// <summary>Most pixels of a tile: two vectors of sums for each, two of weights, one cell and one product fill the registers.</summary>
    public abstract int MaximumPixels { get; }

    /// <summary>The fastest one of this CPU; null for none.</summary>
    /// <param name="fitsBytes">Whether all weights fit signed bytes; else they have nine bits.</param>
    public static ByteTileKernel? Best(bool fitsBytes) => (fitsBytes ? _bytes : null) ?? _words;

    /// <summary>Computes tiles of <paramref name="pixels"/> pixels.</summary>
    public abstract void Run(ByteTiles* tiles, int pixels);

    private static ByteTileKernel? Bytes() =>
        CpuFeatures.Widest == VectorWidth.Vector512 && QuadTileCode.Create() is { } code ? code
        : CpuFeatures.Widest >= VectorWidth.Vector256 && AvxVnni.IsSupported ? new Compiled<CellVector256, QuadProduct256, Vector256<int>>("vnni256", 4, 6)
        : null;

    private static ByteTileKernel? Words() =>
        CpuFeatures.Widest == VectorWidth.Vector512 && Avx512BW.IsSupported ? new Compiled<CellVector512, PairProduct512, Vector512<int>>("pairs512", 2, 14)
        : CpuFeatures.Widest >= VectorWidth.Vector256 && Avx2.IsSupported ? new Compiled<CellVector256, PairProduct256, Vector256<int>>("pairs256", 2, 6)
        : null;

    private sealed class Compiled<TCells, TProduct, TVector>(string suffix, int cellChannels, int maximumPixels) : ByteTileKernel
        where TCells : ICellVector<TVector>
        where TProduct : ICellProduct<TVector>
        where TVector : unmanaged
    {
        public override string Name => "conv.integer." + suffix;

        public override int CellChannels => cellChannels;

        public override int Outputs => 2 * TCells.Lanes;

        public override int MaximumPixels => maximumPixels;

        public override void Run(ByteTiles* tiles, int pixels) => CellTileTable<TCells, TProduct, TVector>.Get(pixels)(tiles);
    }
}
