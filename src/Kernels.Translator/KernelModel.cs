using Microsoft.CodeAnalysis;

namespace CoInference.Kernels.Translator;

/// <summary>What a kernel's parameter is.</summary>
internal enum ParameterKind
{
    /// <summary>A view of device memory: a pointer, an offset and a length, the last two in elements.</summary>
    View,

    /// <summary>A number or struct passed by value.</summary>
    Scalar,

    /// <summary>A number that is a constant of the program and is not passed at all.</summary>
    Specialized,
}

/// <summary>What the attribute of a kernel says.</summary>
/// <param name="Group">Threads of a group along x, y, z; 0 when the launch decides.</param>
/// <param name="MayAlias">Whether two views may share memory.</param>
/// <param name="MaxThreads">Most threads of a group that a launch gives; 0 when anything goes.</param>
/// <param name="MinGroups">Groups that the registers of a multiprocessor must hold; 0 to leave it to the compiler.</param>
internal readonly record struct KernelOptions((int X, int Y, int Z) Group, bool MayAlias, int MaxThreads, int MinGroups);

/// <summary>A parameter of a kernel.</summary>
/// <param name="Name">Name in C#.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Type">C# type of the value, of the element for a view.</param>
internal sealed record ParameterModel(string Name, ParameterKind Kind, string Type);

/// <summary>A translated kernel; compared by value, so that the compiler can skip unchanged ones.</summary>
/// <param name="Name">Class and method, joined by an underscore.</param>
/// <param name="Class">C# name of the class.</param>
/// <param name="Method">Name of the method.</param>
/// <param name="Parameters">Parameters in order.</param>
/// <param name="Group">Threads of a group along x, y, z; 0 when the launch decides.</param>
/// <param name="OpenCl">OpenCL C; empty when there are errors.</param>
/// <param name="Cuda">CUDA C++; empty when there are errors.</param>
/// <param name="SharedBytes">Bytes of shared memory as an expression of C# over <c>specialized</c>.</param>
/// <param name="UsesWarps">Whether it needs a device with warps.</param>
/// <param name="Errors">What is wrong.</param>
internal sealed record KernelModel(
    string Name,
    string Class,
    string Method,
    EquatableList<ParameterModel> Parameters,
    (int X, int Y, int Z) Group,
    string OpenCl,
    string Cuda,
    string SharedBytes,
    bool UsesWarps,
    EquatableList<Diagnostic> Errors);

/// <summary>A list that is equal to another with equal items.</summary>
internal sealed class EquatableList<T>(IReadOnlyList<T> items) : IEquatable<EquatableList<T>>
{
    public IReadOnlyList<T> Items { get; } = items;

    public bool Equals(EquatableList<T>? other) => other is not null && Items.SequenceEqual(other.Items);

    public override bool Equals(object? obj) => Equals(obj as EquatableList<T>);

    public override int GetHashCode() => Items.Aggregate(17, (hash, item) => unchecked((hash * 31) + (item?.GetHashCode() ?? 0)));
}
