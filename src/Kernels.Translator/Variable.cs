using CoInference.Kernels.Translator.Targets;
using Microsoft.CodeAnalysis;

namespace CoInference.Kernels.Translator;

/// <summary>The memory behind views: all views of one allocation or one parameter share it.</summary>
internal sealed class ViewMemory(AddressSpace space, ITypeSymbol element)
{
    public AddressSpace Space { get; } = space;

    public ITypeSymbol Element { get; } = element;

    /// <summary>Whether any statement stores to it; pointers to memory that is only read are declared const.</summary>
    public bool IsWritten { get; set; }
}

/// <summary>A view as C has it: a pointer to the first element and the number of elements.</summary>
internal sealed record ViewValue(ViewMemory Memory, string Pointer, string Length);

/// <summary>A name in scope.</summary>
/// <param name="Name">Its name in the generated source.</param>
/// <param name="View">What it stands for when it is a view.</param>
internal sealed record Variable(string Name, ViewValue? View = null);
