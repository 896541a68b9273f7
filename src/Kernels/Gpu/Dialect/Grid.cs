namespace CoInference.Kernels.Gpu.Dialect;

/// <summary>The groups of a launch.</summary>
internal static class Grid
{
    /// <summary>Index of this group along x.</summary>
    public static int IdxX => throw DialectOnly.Exception;

    /// <summary>Index of this group along y.</summary>
    public static int IdxY => throw DialectOnly.Exception;

    /// <summary>Index of this group along z.</summary>
    public static int IdxZ => throw DialectOnly.Exception;

    /// <summary>Groups along x.</summary>
    public static int DimX => throw DialectOnly.Exception;

    /// <summary>Groups along y.</summary>
    public static int DimY => throw DialectOnly.Exception;

    /// <summary>Groups along z.</summary>
    public static int DimZ => throw DialectOnly.Exception;
}

/// <summary>The threads of a group.</summary>
internal static class Group
{
    /// <summary>Index of this thread along x.</summary>
    public static int IdxX => throw DialectOnly.Exception;

    /// <summary>Index of this thread along y.</summary>
    public static int IdxY => throw DialectOnly.Exception;

    /// <summary>Index of this thread along z.</summary>
    public static int IdxZ => throw DialectOnly.Exception;

    /// <summary>Threads along x.</summary>
    public static int DimX => throw DialectOnly.Exception;

    /// <summary>Threads along y.</summary>
    public static int DimY => throw DialectOnly.Exception;

    /// <summary>Threads along z.</summary>
    public static int DimZ => throw DialectOnly.Exception;

    /// <summary>Waits for all threads of the group, which must all come here, and orders their accesses to shared memory.</summary>
    public static void Barrier() => throw DialectOnly.Exception;
}
