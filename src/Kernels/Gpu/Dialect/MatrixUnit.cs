namespace CoInference.Kernels.Gpu.Dialect;

/// <summary>
/// Products of small matrices by the tensor cores of CUDA. The operands are words: one number rounded to tf32, or two of 16 bits whose
/// lower half comes first. Elsewhere each thread computes the same results from the same rounded numbers in float, in loops that are left
/// as they are: callers unroll many products, which compilers of other targets would take minutes for.
/// </summary>
internal static class MatrixUnit
{
    /// <summary>
    /// sums += A B for 16 rows of A and 8 columns of B, 8 words deep. Of the results thread <paramref name="lane"/> of a warp has rows
    /// lane / 4 and lane / 4 + 8, columns 2 (lane % 4) and the next, row by row.
    /// </summary>
    /// <param name="a">[word][row]; in shared memory.</param>
    /// <param name="strideA">From one word of a row to its next; 8 modulo 32 keeps a warp's loads in different banks.</param>
    /// <param name="b">[word][column]; in shared memory.</param>
    /// <param name="strideB">From one word of a column to its next; as for A.</param>
    /// <param name="sums">Results of this thread.</param>
    /// <param name="at">The first of the four.</param>
    /// <param name="lane">Index of the thread in its warp; all of a warp come here.</param>
    [TargetCode(KernelLanguage.Cuda, """
        const uint* pa = a + lane % 4 * strideA + lane / 4;
        const uint* pb = b + lane % 4 * strideB + lane / 4;
        asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
            : "+f"(sums[at]), "+f"(sums[at + 1]), "+f"(sums[at + 2]), "+f"(sums[at + 3])
            : "r"(pa[0]), "r"(pa[8]), "r"(pa[4 * strideA]), "r"(pa[4 * strideA + 8]), "r"(pb[0]), "r"(pb[4 * strideB]));
        """, Condition = "__CUDA_ARCH__ >= 800")]
    public static void Tf32(ArrayView<uint> a, int strideA, ArrayView<uint> b, int strideB, ArrayView<float> sums, int at, int lane)
    {
        Loop.Unroll(1);
        for (int i = 0; i < 4; i++)
        {
            int row = (lane / 4) + (i / 2 * 8);
            int column = (lane % 4 * 2) + (i % 2);
            float sum = sums[at + i];
            Loop.Unroll(1);
            for (int k = 0; k < 8; k++) sum = MathF.FusedMultiplyAdd(BitConverter.UInt32BitsToSingle(a[(k * strideA) + row]), BitConverter.UInt32BitsToSingle(b[(k * strideB) + column]), sum);
            sums[at + i] = sum;
        }
    }

    /// <summary>As <see cref="Tf32"/> for pairs of bfloat16.</summary>
    [TargetCode(KernelLanguage.Cuda, """
        const uint* pa = a + lane % 4 * strideA + lane / 4;
        const uint* pb = b + lane % 4 * strideB + lane / 4;
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
            : "+f"(sums[at]), "+f"(sums[at + 1]), "+f"(sums[at + 2]), "+f"(sums[at + 3])
            : "r"(pa[0]), "r"(pa[8]), "r"(pa[4 * strideA]), "r"(pa[4 * strideA + 8]), "r"(pb[0]), "r"(pb[4 * strideB]));
        """, Condition = "__CUDA_ARCH__ >= 800")]
    public static void BFloat16(ArrayView<uint> a, int strideA, ArrayView<uint> b, int strideB, ArrayView<float> sums, int at, int lane)
    {
        Loop.Unroll(1);
        for (int i = 0; i < 4; i++)
        {
            int row = (lane / 4) + (i / 2 * 8);
            int column = (lane % 4 * 2) + (i % 2);
            float sum = sums[at + i];
            Loop.Unroll(1);
            for (int k = 0; k < 8; k++)
            {
                uint left = a[(k * strideA) + row];
                uint right = b[(k * strideB) + column];
                sum = MathF.FusedMultiplyAdd(BrainFloat.Widen((ushort)left), BrainFloat.Widen((ushort)right), sum);
                sum = MathF.FusedMultiplyAdd(BrainFloat.Widen((ushort)(left >> 16)), BrainFloat.Widen((ushort)(right >> 16)), sum);
            }

            sums[at + i] = sum;
        }
    }

    /// <summary>As <see cref="Tf32"/> for pairs of binary16.</summary>
    [TargetCode(KernelLanguage.Cuda, """
        const uint* pa = a + lane % 4 * strideA + lane / 4;
        const uint* pb = b + lane % 4 * strideB + lane / 4;
        asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
            : "+f"(sums[at]), "+f"(sums[at + 1]), "+f"(sums[at + 2]), "+f"(sums[at + 3])
            : "r"(pa[0]), "r"(pa[8]), "r"(pa[4 * strideA]), "r"(pa[4 * strideA + 8]), "r"(pb[0]), "r"(pb[4 * strideB]));
        """, Condition = "__CUDA_ARCH__ >= 800")]
    public static void Float16(ArrayView<uint> a, int strideA, ArrayView<uint> b, int strideB, ArrayView<float> sums, int at, int lane)
    {
        Loop.Unroll(1);
        for (int i = 0; i < 4; i++)
        {
            int row = (lane / 4) + (i / 2 * 8);
            int column = (lane % 4 * 2) + (i % 2);
            float sum = sums[at + i];
            Loop.Unroll(1);
            for (int k = 0; k < 8; k++)
            {
                uint left = a[(k * strideA) + row];
                uint right = b[(k * strideB) + column];
                sum = MathF.FusedMultiplyAdd(HalfFloat.Widen((ushort)left), HalfFloat.Widen((ushort)right), sum);
                sum = MathF.FusedMultiplyAdd(HalfFloat.Widen((ushort)(left >> 16)), HalfFloat.Widen((ushort)(right >> 16)), sum);
            }

            sums[at + i] = sum;
        }
    }

    /// <summary>Rounds to the 10 fraction bits of tf32, ties away from zero, as the hardware's conversion does.</summary>
    /// <param name="value">The number.</param>
    public static uint RoundTf32(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        // Infinities stay, and what is no number keeps a bit that says so.
        if ((bits & 0x7F800000u) == 0x7F800000u) return (bits & 0x007FFFFFu) == 0 ? bits : bits | 0x00400000u;
        return (bits + 0x1000u) & 0xFFFFE000u;
    }
}
