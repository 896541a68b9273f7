using Microsoft.CodeAnalysis;

namespace CoInference.Kernels.Translator.Targets;

/// <summary>The kinds of memory that a view can lie in.</summary>
internal enum AddressSpace
{
    /// <summary>Device memory.</summary>
    Global,

    /// <summary>Memory of a group of threads.</summary>
    Shared,

    /// <summary>Memory of one thread: registers, when every index is known after unrolling.</summary>
    Private,
}

/// <summary>How a kernel language spells what all targets have.</summary>
internal abstract class TargetSyntax
{
    /// <summary>Every target, by name.</summary>
    public static readonly TargetSyntax OpenCl = new OpenClSyntax();

    public static readonly TargetSyntax Cuda = new CudaSyntax();

    /// <summary>Name of the target as KernelLanguage has it.</summary>
    public abstract string Name { get; }

    /// <summary>Declarations that every program starts with.</summary>
    public abstract string Prelude { get; }

    /// <summary>What a program needs besides when it uses warps; goes before its functions.</summary>
    public abstract string WarpPrelude { get; }

    /// <summary>A member of Warp.</summary>
    /// <param name="name">The member.</param>
    /// <param name="arguments">Arguments of a shuffle.</param>
    public abstract string Warp(string name, string[] arguments);

    /// <summary>Name of a number type.</summary>
    /// <returns>null when the dialect has no such type.</returns>
    public abstract string? Number(SpecialType type);

    /// <summary>Keyword of an address space with a space behind it; empty when the language has none.</summary>
    public abstract string Space(AddressSpace space);

    /// <summary>Keyword that promises that a pointer is the only way to its memory.</summary>
    public abstract string Restrict { get; }

    /// <summary>Start of a kernel's signature up to its name.</summary>
    /// <param name="name">Name of the kernel.</param>
    /// <param name="options">Threads of a group and what the kernel allows.</param>
    public abstract string KernelHead(string name, KernelOptions options);

    /// <summary>Start of the signature of a function that kernels call.</summary>
    public abstract string FunctionHead(string result, string name);

    /// <summary>Declares an array that a group of threads shares, in the outermost block of a kernel.</summary>
    /// <param name="type">Type of an element.</param>
    /// <param name="name">Name of the array.</param>
    /// <param name="extent">Number of elements.</param>
    /// <param name="isFirst">Whether it is the kernel's first.</param>
    public abstract IEnumerable<string> SharedArray(string type, string name, string extent, bool isFirst);

    /// <summary>Index or extent of the grid or group.</summary>
    /// <param name="subject"><c>Grid</c> or <c>Group</c>.</param>
    /// <param name="member"><c>IdxX</c>, <c>DimX</c>, ...</param>
    public abstract string ThreadIndex(string subject, string member);

    /// <summary>Waits for all threads of the group; orders their accesses to shared memory.</summary>
    public abstract string Barrier { get; }

    /// <summary>A function of MathF, Math or BitConverter.</summary>
    /// <returns>null when the target lacks it.</returns>
    public abstract string? Function(string type, string name, bool isFloat, string[] arguments);

    /// <summary>An atomic operation that gives the value before it.</summary>
    /// <returns>null when the target lacks it.</returns>
    public abstract string? Atomic(string name, SpecialType type, AddressSpace space, string address, string[] arguments);

    /// <summary>An operation of the dialect's own that the target has an instruction for.</summary>
    /// <param name="type">The class of the dialect.</param>
    /// <param name="name">The method.</param>
    /// <param name="arguments">Arguments; a view is a pointer.</param>
    /// <param name="space">The memory of the view that is the first argument.</param>
    /// <returns>null when the portable body in C# is to be translated.</returns>
    public abstract string? Intrinsic(string type, string name, string[] arguments, AddressSpace space);

    /// <summary>Positive infinity, negative infinity and not-a-number of float.</summary>
    public abstract string Infinity { get; }

    /// <inheritdoc cref="Infinity"/>
    public abstract string NaN { get; }

    /// <summary>Suffix of a 64-bit literal.</summary>
    public abstract string LongSuffix { get; }
}
