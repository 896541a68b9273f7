namespace CoInference.Kernels.Gpu.Dialect;

/// <summary>Marks a static method as a kernel: the translator turns it into OpenCL C and CUDA C++ while the project is compiled.</summary>
/// <remarks>
/// Arithmetic is that of C#: sums and products are rounded one by one unless <see cref="MathF.FusedMultiplyAdd"/> asks for more, unsigned
/// integers wrap around, and NaN passes through Min and Max. The exceptions: indices are not checked; a signed sum that overflows, a
/// division by zero and a float outside the integers that it is cast to are anything; exp, log, pow, tanh, sin and cos are as exact as
/// the device's.
/// </remarks>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class KernelAttribute : Attribute
{
    /// <summary>Threads of a group along x; 0 when the launch decides.</summary>
    public int GroupX { get; set; }

    /// <summary>Threads of a group along y; 1 by default.</summary>
    public int GroupY { get; set; }

    /// <summary>Threads of a group along z; 1 by default.</summary>
    public int GroupZ { get; set; }

    /// <summary>Most threads of a group where the launch decides: a compiler that knows it leaves each thread the registers for them. 0 when anything goes.</summary>
    public int MaxThreads { get; set; }

    /// <summary>Groups of <see cref="MaxThreads"/> that the registers of a multiprocessor should hold; 0 to leave it to the compiler.</summary>
    public int MinGroups { get; set; }

    /// <summary>Whether two views may share memory, as when an output is written over an input. By default the compiler may rely on the contrary.</summary>
    public bool MayAlias { get; set; }
}

/// <summary>Hints about the loop that follows.</summary>
internal static class Loop
{
    /// <summary>Unrolls the <c>for</c> that follows entirely.</summary>
    public static void Unroll()
    {
    }

    /// <summary>Unrolls the <c>for</c> that follows <paramref name="times"/> times.</summary>
    /// <param name="times">A constant of at least 1.</param>
    public static void Unroll(int times) => _ = times;
}
