using System.Runtime.CompilerServices;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>
/// The micro-kernel of <see cref="TiledByteConv"/>: <typeparamref name="TPixels"/> pixels by two vectors of output channels stay
/// in registers over all steps. A step loads two vectors of weights and repeats the cell of each pixel over a vector.
/// </summary>
/// <typeparam name="TCells">Vector operations.</typeparam>
/// <typeparam name="TProduct">The product of cells.</typeparam>
/// <typeparam name="TVector">Vector type.</typeparam>
/// <typeparam name="TPixels">Pixels of a tile, 1 to 14.</typeparam>
internal static unsafe class CellTile<TCells, TProduct, TVector, TPixels>
    where TCells : ICellVector<TVector>
    where TProduct : ICellProduct<TVector>
    where TVector : unmanaged
    where TPixels : IConstant
{
    /// <summary>Computes all tiles.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(ByteTiles* tiles)
    {
        byte* first = tiles->Input;
        int* sums = tiles->Sums;
        for (int count = tiles->Count; count > 0; count--, first += 4 * TPixels.Value, sums += 2 * TPixels.Value * TCells.Lanes)
        {
            byte* weights = tiles->Weights;
            TVector a0 = TCells.Load(tiles->Start), b0 = TCells.Load(tiles->Start + TCells.Lanes);
            nint* offset = tiles->StepOffsets;
            TVector a1 = a0, b1 = b0;
            TVector a2 = a0, b2 = b0;
            TVector a3 = a0, b3 = b0;
            TVector a4 = a0, b4 = b0;
            TVector a5 = a0, b5 = b0;
            TVector a6 = a0, b6 = b0;
            TVector a7 = a0, b7 = b0;
            TVector a8 = a0, b8 = b0;
            TVector a9 = a0, b9 = b0;
            TVector a10 = a0, b10 = b0;
            TVector a11 = a0, b11 = b0;
            TVector a12 = a0, b12 = b0;
            TVector a13 = a0, b13 = b0;
            for (int steps = tiles->Steps; steps > 0; steps--)
            {
                int* cell = (int*)(first + *offset++);
                TVector wa = TCells.Load((int*)weights), wb = TCells.Load((int*)weights + TCells.Lanes);
                weights += 8 * TCells.Lanes;
                TVector x = TCells.Broadcast(*cell);
                a0 = TProduct.MultiplyAdd(x, wa, a0);
                b0 = TProduct.MultiplyAdd(x, wb, b0);
                if (TPixels.Value > 1)
                {
                    x = TCells.Broadcast(cell[1]);
                    a1 = TProduct.MultiplyAdd(x, wa, a1);
                    b1 = TProduct.MultiplyAdd(x, wb, b1);
                }

                if (TPixels.Value > 2)
                {
                    x = TCells.Broadcast(cell[2]);
                    a2 = TProduct.MultiplyAdd(x, wa, a2);
                    b2 = TProduct.MultiplyAdd(x, wb, b2);
                }

                if (TPixels.Value > 3)
                {
                    x = TCells.Broadcast(cell[3]);
                    a3 = TProduct.MultiplyAdd(x, wa, a3);
                    b3 = TProduct.MultiplyAdd(x, wb, b3);
                }

                if (TPixels.Value > 4)
                {
                    x = TCells.Broadcast(cell[4]);
                    a4 = TProduct.MultiplyAdd(x, wa, a4);
                    b4 = TProduct.MultiplyAdd(x, wb, b4);
                }

                if (TPixels.Value > 5)
                {
                    x = TCells.Broadcast(cell[5]);
                    a5 = TProduct.MultiplyAdd(x, wa, a5);
                    b5 = TProduct.MultiplyAdd(x, wb, b5);
                }

                if (TPixels.Value > 6)
                {
                    x = TCells.Broadcast(cell[6]);
                    a6 = TProduct.MultiplyAdd(x, wa, a6);
                    b6 = TProduct.MultiplyAdd(x, wb, b6);
                }

                if (TPixels.Value > 7)
                {
                    x = TCells.Broadcast(cell[7]);
                    a7 = TProduct.MultiplyAdd(x, wa, a7);
                    b7 = TProduct.MultiplyAdd(x, wb, b7);
                }

                if (TPixels.Value > 8)
                {
                    x = TCells.Broadcast(cell[8]);
                    a8 = TProduct.MultiplyAdd(x, wa, a8);
                    b8 = TProduct.MultiplyAdd(x, wb, b8);
                }

                if (TPixels.Value > 9)
                {
                    x = TCells.Broadcast(cell[9]);
                    a9 = TProduct.MultiplyAdd(x, wa, a9);
                    b9 = TProduct.MultiplyAdd(x, wb, b9);
                }

                if (TPixels.Value > 10)
                {
                    x = TCells.Broadcast(cell[10]);
                    a10 = TProduct.MultiplyAdd(x, wa, a10);
                    b10 = TProduct.MultiplyAdd(x, wb, b10);
                }

                if (TPixels.Value > 11)
                {
                    x = TCells.Broadcast(cell[11]);
                    a11 = TProduct.MultiplyAdd(x, wa, a11);
                    b11 = TProduct.MultiplyAdd(x, wb, b11);
                }

                if (TPixels.Value > 12)
                {
                    x = TCells.Broadcast(cell[12]);
                    a12 = TProduct.MultiplyAdd(x, wa, a12);
                    b12 = TProduct.MultiplyAdd(x, wb, b12);
                }

                if (TPixels.Value > 13)
                {
                    x = TCells.Broadcast(cell[13]);
                    a13 = TProduct.MultiplyAdd(x, wa, a13);
                    b13 = TProduct.MultiplyAdd(x, wb, b13);
                }
            }

            bool floats = tiles->StoresFloats != 0;
            Store(sums, a0, b0, floats);
            if (TPixels.Value > 1) Store(sums + (2 * TCells.Lanes), a1, b1, floats);
            if (TPixels.Value > 2) Store(sums + (4 * TCells.Lanes), a2, b2, floats);
            if (TPixels.Value > 3) Store(sums + (6 * TCells.Lanes), a3, b3, floats);
            if (TPixels.Value > 4) Store(sums + (8 * TCells.Lanes), a4, b4, floats);
            if (TPixels.Value > 5) Store(sums + (10 * TCells.Lanes), a5, b5, floats);
            if (TPixels.Value > 6) Store(sums + (12 * TCells.Lanes), a6, b6, floats);
            if (TPixels.Value > 7) Store(sums + (14 * TCells.Lanes), a7, b7, floats);
            if (TPixels.Value > 8) Store(sums + (16 * TCells.Lanes), a8, b8, floats);
            if (TPixels.Value > 9) Store(sums + (18 * TCells.Lanes), a9, b9, floats);
            if (TPixels.Value > 10) Store(sums + (20 * TCells.Lanes), a10, b10, floats);
            if (TPixels.Value > 11) Store(sums + (22 * TCells.Lanes), a11, b11, floats);
            if (TPixels.Value > 12) Store(sums + (24 * TCells.Lanes), a12, b12, floats);
            if (TPixels.Value > 13) Store(sums + (26 * TCells.Lanes), a13, b13, floats);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(int* sums, TVector a, TVector b, bool floats)
    {
        TCells.Store(sums, floats ? TCells.ToFloats(a) : a);
        TCells.Store(sums + TCells.Lanes, floats ? TCells.ToFloats(b) : b);
    }
}
