using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Kernels.Simd.Codec;

/// <summary>
/// Changes between consecutive runs of bytes, one per lane, and columns that hold one byte of every lane beside each other.
/// </summary>
/// <remarks>
/// Each of the first lanes may have a longer run than the rest. In columns, byte i of lane k lies at i * lanes + k; the
/// places that short lanes leave in the last columns are not written.
/// </remarks>
public static unsafe class LaneInterleaving
{
    private const int Block = 16;

    /// <summary>Writes runs as columns.</summary>
    /// <param name="runs">The runs, one after another.</param>
    /// <param name="columns">Receives the columns.</param>
    /// <param name="lanes">Number of runs.</param>
    /// <param name="length">Bytes of a run.</param>
    /// <param name="longLanes">How many of the first runs are longer.</param>
    /// <param name="extra">Bytes that these have in addition.</param>
    public static void ToColumns(byte* runs, byte* columns, int lanes, int length, int longLanes, int extra)
    {
        int done = 0;
        if (lanes == Block && Vector128.IsHardwareAccelerated)
        {
            byte** starts = stackalloc byte*[Block];
            byte** rows = stackalloc byte*[Block];
            for (int k = 0; k < Block; k++)
            {
                starts[k] = Start(runs, k, length, longLanes, extra);
                rows[k] = columns + (k * Block);
            }

            for (; done <= length - Block; done += Block) Transpose(starts, done, rows, (nint)done * Block);
        }

        for (int k = 0; k < lanes; k++)
        {
            byte* run = Start(runs, k, length, longLanes, extra);
            int end = k < longLanes ? length + extra : length;
            for (int i = done; i < end; i++) columns[((nint)i * lanes) + k] = run[i];
        }
    }

    /// <summary>Writes columns as runs: the inverse of <see cref="ToColumns"/>.</summary>
    /// <param name="columns">The columns.</param>
    /// <param name="runs">Receives the runs, one after another.</param>
    /// <param name="lanes">Number of runs.</param>
    /// <param name="length">Bytes of a run.</param>
    /// <param name="longLanes">How many of the first runs are longer.</param>
    /// <param name="extra">Bytes that these have in addition.</param>
    public static void ToRuns(byte* columns, byte* runs, int lanes, int length, int longLanes, int extra)
    {
        int done = 0;
        if (lanes == Block && Vector128.IsHardwareAccelerated)
        {
            byte** starts = stackalloc byte*[Block];
            byte** rows = stackalloc byte*[Block];
            for (int k = 0; k < Block; k++)
            {
                starts[k] = Start(runs, k, length, longLanes, extra);
                rows[k] = columns + (k * Block);
            }

            for (; done <= length - Block; done += Block) Transpose(rows, (nint)done * Block, starts, done);
        }

        for (int k = 0; k < lanes; k++)
        {
            byte* run = Start(runs, k, length, longLanes, extra);
            int end = k < longLanes ? length + extra : length;
            for (int i = done; i < end; i++) run[i] = columns[((nint)i * lanes) + k];
        }
    }

    private static byte* Start(byte* runs, int lane, int length, int longLanes, int extra) =>
        runs + ((nint)lane * length) + ((nint)Math.Min(lane, longLanes) * extra);

    // Four rounds of interleaving rows i and i + 8: each doubles how many bytes of one column lie beside each other.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose(byte** rows, nint offset, byte** targets, nint at)
    {
        Vector128<byte> a0 = Vector128.Load(rows[0] + offset), a1 = Vector128.Load(rows[1] + offset), a2 = Vector128.Load(rows[2] + offset), a3 = Vector128.Load(rows[3] + offset);
        Vector128<byte> a4 = Vector128.Load(rows[4] + offset), a5 = Vector128.Load(rows[5] + offset), a6 = Vector128.Load(rows[6] + offset), a7 = Vector128.Load(rows[7] + offset);
        Vector128<byte> a8 = Vector128.Load(rows[8] + offset), a9 = Vector128.Load(rows[9] + offset), aA = Vector128.Load(rows[10] + offset), aB = Vector128.Load(rows[11] + offset);
        Vector128<byte> aC = Vector128.Load(rows[12] + offset), aD = Vector128.Load(rows[13] + offset), aE = Vector128.Load(rows[14] + offset), aF = Vector128.Load(rows[15] + offset);
        for (int round = 0; round < 4; round++)
        {
            Vector128<byte> b0 = Low(a0, a8), b1 = High(a0, a8), b2 = Low(a1, a9), b3 = High(a1, a9);
            Vector128<byte> b4 = Low(a2, aA), b5 = High(a2, aA), b6 = Low(a3, aB), b7 = High(a3, aB);
            Vector128<byte> b8 = Low(a4, aC), b9 = High(a4, aC), bA = Low(a5, aD), bB = High(a5, aD);
            Vector128<byte> bC = Low(a6, aE), bD = High(a6, aE), bE = Low(a7, aF), bF = High(a7, aF);
            (a0, a1, a2, a3, a4, a5, a6, a7) = (b0, b1, b2, b3, b4, b5, b6, b7);
            (a8, a9, aA, aB, aC, aD, aE, aF) = (b8, b9, bA, bB, bC, bD, bE, bF);
        }

        a0.Store(targets[0] + at);
        a1.Store(targets[1] + at);
        a2.Store(targets[2] + at);
        a3.Store(targets[3] + at);
        a4.Store(targets[4] + at);
        a5.Store(targets[5] + at);
        a6.Store(targets[6] + at);
        a7.Store(targets[7] + at);
        a8.Store(targets[8] + at);
        a9.Store(targets[9] + at);
        aA.Store(targets[10] + at);
        aB.Store(targets[11] + at);
        aC.Store(targets[12] + at);
        aD.Store(targets[13] + at);
        aE.Store(targets[14] + at);
        aF.Store(targets[15] + at);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> Low(Vector128<byte> a, Vector128<byte> b)
    {
        if (Sse2.IsSupported) return Sse2.UnpackLow(a, b);
        if (AdvSimd.Arm64.IsSupported) return AdvSimd.Arm64.ZipLow(a, b);
        (Vector128<ushort> x, Vector128<ushort> y) = (Vector128.WidenLower(a), Vector128.WidenLower(b));
        return (x | (y << 8)).AsByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<byte> High(Vector128<byte> a, Vector128<byte> b)
    {
        if (Sse2.IsSupported) return Sse2.UnpackHigh(a, b);
        if (AdvSimd.Arm64.IsSupported) return AdvSimd.Arm64.ZipHigh(a, b);
        (Vector128<ushort> x, Vector128<ushort> y) = (Vector128.WidenUpper(a), Vector128.WidenUpper(b));
        return (x | (y << 8)).AsByte();
    }
}
