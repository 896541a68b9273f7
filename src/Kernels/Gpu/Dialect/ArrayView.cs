using System.Diagnostics.CodeAnalysis;

namespace CoInference.Kernels.Gpu.Dialect;

/// <summary>Consecutive elements in device, shared or thread-local memory.</summary>
/// <remarks>
/// The types of this file and <see cref="Grid"/>, <see cref="Group"/>, <see cref="SharedMemory"/>, <see cref="LocalMemory"/>,
/// <see cref="Atomic"/> and <see cref="SpecializedValue{T}"/> are the words of ILGPU's kernel dialect. Here they only give a kernel its
/// types, for the translator; a build with ILGPU compiles the same kernels against ILGPU's own. Nothing runs them as C#.
/// </remarks>
/// <typeparam name="T">A number or a struct of numbers.</typeparam>
internal readonly struct ArrayView<T>
    where T : unmanaged
{
    /// <summary>Number of elements.</summary>
    public long Length => throw DialectOnly.Exception;

    /// <summary>Number of elements as a 32-bit integer.</summary>
    public int IntLength => throw DialectOnly.Exception;

    /// <summary>An element. Indices are not checked.</summary>
    public ref T this[long index] => throw DialectOnly.Exception;

    /// <summary>The elements from <paramref name="offset"/> on.</summary>
    public ArrayView<T> SubView(long offset) => throw DialectOnly.Exception;

    /// <summary><paramref name="length"/> elements from <paramref name="offset"/> on.</summary>
    public ArrayView<T> SubView(long offset, long length) => throw DialectOnly.Exception;
}

/// <summary>A number that becomes a constant of the compiled program: tile sizes, for example.</summary>
/// <typeparam name="T">Only int is translated.</typeparam>
/// <param name="Value">The number.</param>
internal readonly record struct SpecializedValue<T>(T Value)
    where T : unmanaged
{
    /// <summary>The number.</summary>
    public static implicit operator T(SpecializedValue<T> specialized) => specialized.Value;
}

/// <summary>Why the words of the dialect cannot be run.</summary>
internal static class DialectOnly
{
    [SuppressMessage("Design", "CA1065", Justification = "Never run: the members exist for their types.")]
    public static NotSupportedException Exception => new("A kernel runs on a device, not as C#.");
}
