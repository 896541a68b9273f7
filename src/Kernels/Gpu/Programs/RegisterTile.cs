using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>
/// The inner part of tiled products. A group of threads computes tileM x tileN results, each thread regM x regN of them, in fours:
/// four neighbouring rows or columns come from shared memory in one load, and fours of one thread lie a whole row of threads apart, so
/// that the loads of neighbouring threads do not meet in a bank.
/// </summary>
internal static class RegisterTile
{
    /// <summary>Row or column of a tile that belongs to the i-th of a thread.</summary>
    /// <param name="i">Which of the thread's rows or columns.</param>
    /// <param name="thread">Row or column of the thread.</param>
    /// <param name="threads">Rows or columns of threads.</param>
    public static int Place(int i, int thread, int threads) => (i / 4 * 4 * threads) + (4 * thread) + (i % 4);

    /// <summary>sums += a b for tiles of tileK steps in shared memory.</summary>
    /// <param name="a">[step][row], from a multiple of four on.</param>
    /// <param name="b">[step][column], from a multiple of four on.</param>
    /// <param name="sums">Results of this thread, [row][column]; in registers.</param>
    /// <param name="row">Row of the thread.</param>
    /// <param name="column">Column of the thread.</param>
    /// <param name="tileM">Rows of the tile.</param>
    /// <param name="tileN">Columns of the tile.</param>
    /// <param name="tileK">Steps.</param>
    /// <param name="strideA">Values from one step of <paramref name="a"/> to the next, a multiple of four.</param>
    /// <param name="strideB">Likewise for <paramref name="b"/>.</param>
    /// <param name="regM">Rows of a thread, 4 or 8.</param>
    /// <param name="regN">Columns of a thread, 4 or 8.</param>
    public static void MultiplyAdd(
        ArrayView<float> a, ArrayView<float> b, ArrayView<float> sums, int row, int column, int tileM, int tileN, int tileK, int strideA, int strideB, int regM, int regN)
    {
        ArrayView<float> left = LocalMemory.Allocate<float>(8);
        ArrayView<float> right = LocalMemory.Allocate<float>(8);
        Loop.Unroll();
        for (int k = 0; k < tileK; k++)
        {
            Loop.Unroll();
            for (int i = 0; i < regM; i += 4) Keep(left, i, Float4.Load(a, (k * strideA) + Place(i, row, tileM / regM)));
            Loop.Unroll();
            for (int j = 0; j < regN; j += 4) Keep(right, j, Float4.Load(b, (k * strideB) + Place(j, column, tileN / regN)));
            Loop.Unroll();
            for (int i = 0; i < regM; i++)
            {
                Loop.Unroll();
                for (int j = 0; j < regN; j++) sums[(i * regN) + j] = MathF.FusedMultiplyAdd(left[i], right[j], sums[(i * regN) + j]);
            }
        }
    }

    /// <summary>Keeps four values in registers. One by one, because compilers leave arrays of vectors in memory.</summary>
    /// <param name="registers">Values of this thread.</param>
    /// <param name="at">Where the four begin; a constant once loops are unrolled.</param>
    /// <param name="four">The values.</param>
    public static void Keep(ArrayView<float> registers, int at, Float4 four)
    {
        registers[at] = four.X;
        registers[at + 1] = four.Y;
        registers[at + 2] = four.Z;
        registers[at + 3] = four.W;
    }

    /// <summary>Four values that lie side by side in registers.</summary>
    /// <param name="registers">Values of this thread.</param>
    /// <param name="at">The first of the four; a constant once loops are unrolled.</param>
    public static Float4 Four(ArrayView<float> registers, int at)
    {
        var four = new Float4 { X = registers[at], Y = registers[at + 1], Z = registers[at + 2], W = registers[at + 3] };
        return four;
    }

    /// <summary>The sums of four pairs.</summary>
    public static Float4 Add(Float4 first, Float4 second)
    {
        var four = new Float4 { X = first.X + second.X, Y = first.Y + second.Y, Z = first.Z + second.Z, W = first.W + second.W };
        return four;
    }

    /// <summary>Limits four values.</summary>
    public static Float4 Clamp(Float4 value, float minimum, float maximum)
    {
        var four = new Float4
        {
            X = MathF.Min(MathF.Max(value.X, minimum), maximum),
            Y = MathF.Min(MathF.Max(value.Y, minimum), maximum),
            Z = MathF.Min(MathF.Max(value.Z, minimum), maximum),
            W = MathF.Min(MathF.Max(value.W, minimum), maximum),
        };
        return four;
    }
}
