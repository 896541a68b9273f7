namespace CoInference.Kernels.Gpu.Dialect;

/// <summary>Memory that the threads of a group share.</summary>
internal static class SharedMemory
{
    /// <summary>Allocates elements, uninitialized. Only in the outermost block of a kernel.</summary>
    /// <param name="extent">Number of elements: a constant, or made of constants and specialized values.</param>
    public static ArrayView<T> Allocate<T>(int extent)
        where T : unmanaged => throw DialectOnly.Exception;
}

/// <summary>Memory of one thread; in registers when every index is a constant after unrolling.</summary>
internal static class LocalMemory
{
    /// <inheritdoc cref="SharedMemory.Allocate{T}(int)"/>
    public static ArrayView<T> Allocate<T>(int extent)
        where T : unmanaged => throw DialectOnly.Exception;
}

/// <summary>Operations on one element that no other thread can come between. Each gives the value before it.</summary>
internal static class Atomic
{
    /// <summary>Adds.</summary>
    public static int Add(ref int target, int value) => throw DialectOnly.Exception;

    /// <summary>Adds.</summary>
    public static uint Add(ref uint target, uint value) => throw DialectOnly.Exception;

    /// <summary>Adds. The order of several additions, and so the last bits of the sum, is open.</summary>
    public static float Add(ref float target, float value) => throw DialectOnly.Exception;

    /// <summary>Takes the smaller.</summary>
    public static int Min(ref int target, int value) => throw DialectOnly.Exception;

    /// <summary>Takes the larger.</summary>
    public static int Max(ref int target, int value) => throw DialectOnly.Exception;

    /// <summary>Takes the smaller.</summary>
    public static uint Min(ref uint target, uint value) => throw DialectOnly.Exception;

    /// <summary>Takes the larger.</summary>
    public static uint Max(ref uint target, uint value) => throw DialectOnly.Exception;

    /// <summary>Puts another value in its place.</summary>
    public static int Exchange(ref int target, int value) => throw DialectOnly.Exception;

    /// <summary>Puts another value in its place.</summary>
    public static uint Exchange(ref uint target, uint value) => throw DialectOnly.Exception;

    /// <summary>Puts <paramref name="value"/> in its place when it is equal to <paramref name="compareValue"/>.</summary>
    public static int CompareExchange(ref int target, int compareValue, int value) => throw DialectOnly.Exception;

    /// <summary>Puts <paramref name="value"/> in its place when it is equal to <paramref name="compareValue"/>.</summary>
    public static uint CompareExchange(ref uint target, uint compareValue, uint value) => throw DialectOnly.Exception;

    /// <summary>Sets the bits that <paramref name="value"/> has.</summary>
    public static uint Or(ref uint target, uint value) => throw DialectOnly.Exception;

    /// <summary>Keeps the bits that <paramref name="value"/> has.</summary>
    public static uint And(ref uint target, uint value) => throw DialectOnly.Exception;

    /// <summary>Flips the bits that <paramref name="value"/> has.</summary>
    public static uint Xor(ref uint target, uint value) => throw DialectOnly.Exception;
}
