using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CoInference.Kernels.Devices;

/// <summary>Widest vector unit a kernel is written for.</summary>
public enum VectorWidth
{
    /// <summary>Plain scalar code.</summary>
    Scalar = 1,

    /// <summary>128 bits: SSE, NEON.</summary>
    Vector128 = 4,

    /// <summary>256 bits with FMA: AVX2.</summary>
    Vector256 = 8,

    /// <summary>512 bits: AVX-512.</summary>
    Vector512 = 16,
}

/// <summary>What this process may use of the CPU. The numeric value of a <see cref="VectorWidth"/> is its float lanes.</summary>
public static class CpuFeatures
{
    /// <summary>The widest accelerated vector unit; the <c>DOTNET_EnableAVX512=0</c> family of settings narrows it.</summary>
    /// <remarks>
    /// On the first AVX-512 servers the runtime reports 512-bit vectors as not accelerated, because code that uses them now
    /// and then loses more by the lower clock than it gains. Kernels that do nothing else still run faster with them, and the
    /// compiler emits them wherever AVX-512 exists.
    /// </remarks>
    public static VectorWidth Widest { get; } =
        Vector512.IsHardwareAccelerated || Avx512F.IsSupported ? VectorWidth.Vector512
        : Vector256.IsHardwareAccelerated ? VectorWidth.Vector256
        : Vector128.IsHardwareAccelerated ? VectorWidth.Vector128
        : VectorWidth.Scalar;

    /// <summary>Channels per block of the blocked activation layout on this CPU: the float lanes of the widest vector, at least 4.</summary>
    public static int ChannelBlock { get; } = Math.Max(4, (int)Widest);

    /// <summary>
    /// Whether this CPU runs a 512-bit operation as two halves, so that wide vectors save instructions but neither multiply nor load
    /// more in a cycle than 256-bit ones.
    /// </summary>
    /// <remarks>AMD family 19h, whose members with AVX-512 are Zen 4: AMD, "Software Optimization Guide for the AMD Zen4 Microarchitecture", 2023.</remarks>
    public static bool SplitsVector512 { get; } = Widest == VectorWidth.Vector512 && AmdFamily() == 0x19;

    /// <summary>Whether kernels written for <paramref name="width"/> run here at full speed.</summary>
    public static bool Supports(VectorWidth width) => width <= Widest;

    // The family by CPUID leaf 1: the extended part adds to the base of 15 that all such CPUs report. Null on other vendors' CPUs.
    private static int? AmdFamily()
    {
        if (!X86Base.IsSupported) return null;
        (_, int ebx, int ecx, int edx) = X86Base.CpuId(0, 0);
        if ((ebx, edx, ecx) != (0x68747541, 0x69746E65, 0x444D4163)) return null;
        int signature = X86Base.CpuId(1, 0).Eax;
        return ((signature >> 8) & 0xF) + ((signature >> 20) & 0xFF);
    }
}
