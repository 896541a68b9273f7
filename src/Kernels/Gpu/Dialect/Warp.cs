namespace CoInference.Kernels.Gpu.Dialect;

/// <summary>The threads that run in step: a warp of CUDA, a sub-group of OpenCL. Only on devices whose limits say that they have warps.</summary>
/// <remarks>Every thread of the warp must come to an operation. Groups whose size is no multiple of the warp's end with a partial warp.</remarks>
internal static class Warp
{
    /// <summary>Threads of a warp.</summary>
    public static int WarpSize => throw DialectOnly.Exception;

    /// <summary>Index of this thread in its warp.</summary>
    public static int LaneIdx => throw DialectOnly.Exception;

    /// <summary>The value that thread <paramref name="sourceLane"/> of the warp passes.</summary>
    public static int Shuffle(int value, int sourceLane) => throw DialectOnly.Exception;

    /// <inheritdoc cref="Shuffle(int, int)"/>
    public static float Shuffle(float value, int sourceLane) => throw DialectOnly.Exception;

    /// <summary>The value that the thread <paramref name="delta"/> further on passes.</summary>
    public static int ShuffleDown(int value, int delta) => throw DialectOnly.Exception;

    /// <inheritdoc cref="ShuffleDown(int, int)"/>
    public static float ShuffleDown(float value, int delta) => throw DialectOnly.Exception;

    /// <summary>The value that the thread passes whose index differs in the bits of <paramref name="mask"/>.</summary>
    public static int ShuffleXor(int value, int mask) => throw DialectOnly.Exception;

    /// <inheritdoc cref="ShuffleXor(int, int)"/>
    public static float ShuffleXor(float value, int mask) => throw DialectOnly.Exception;
}
