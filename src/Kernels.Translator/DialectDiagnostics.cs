using Microsoft.CodeAnalysis;

namespace CoInference.Kernels.Translator;

/// <summary>What the translator reports about code outside the kernel dialect. Every message says what to write instead.</summary>
internal static class DialectDiagnostics
{
    public static readonly DiagnosticDescriptor Construct = Error(
        "COK001", "Construct outside the kernel dialect", "{0} is not part of the kernel dialect; {1}");

    public static readonly DiagnosticDescriptor Type = Error(
        "COK002", "Type outside the kernel dialect",
        "Type '{0}' cannot be used in a kernel; use a number of at most 64 bits other than double, a struct of public fields of such, or ArrayView<T>");

    public static readonly DiagnosticDescriptor Call = Error(
        "COK003", "Call outside the kernel dialect",
        "'{0}' cannot be called in a kernel; call a static method whose source is in this project, MathF, Math.Min, Math.Max or Math.Abs, or an operation of the dialect");

    public static readonly DiagnosticDescriptor SharedScope = Error(
        "COK004", "Shared memory below the top of a kernel",
        "SharedMemory.Allocate must initialize a variable in the outermost block of the kernel itself; allocate there and pass the view");

    public static readonly DiagnosticDescriptor ViewValue = Error(
        "COK005", "View that is not fixed",
        "The view '{0}' may stand for memory of more than one kind; give every view one value where it is declared, and index or pass it directly");

    public static readonly DiagnosticDescriptor SideEffect = Error(
        "COK006", "Side effect inside an expression",
        "{0} inside a larger expression has an order that C leaves open; make it a statement of its own");

    public static readonly DiagnosticDescriptor Signature = Error(
        "COK007", "Kernel signature", "Kernel '{0}' {1}");

    public static readonly DiagnosticDescriptor Extent = Error(
        "COK008", "Extent that is not constant",
        "The extent of {0} must be a constant or made of constants and SpecializedValue parameters");

    public static readonly DiagnosticDescriptor Recursion = Error(
        "COK009", "Recursion", "'{0}' calls itself, directly or through others; write a loop");

    public static readonly DiagnosticDescriptor Capture = Error(
        "COK010", "Captured variable", "Local function '{0}' uses '{1}' of the method around it; pass it as a parameter and make the function static");

    public static readonly DiagnosticDescriptor UnrollTarget = Error(
        "COK011", "Unroll hint without a loop", "Loop.Unroll must stand directly before a for statement and take a constant of at least 1");

    public static readonly DiagnosticDescriptor StructLayout = Error(
        "COK012", "Struct with a layout of its own", "Struct '{0}' {1}");

    public static readonly DiagnosticDescriptor TargetCode = Error(
        "COK013", "Target code out of place", "TargetCode on '{0}' {1}");

    private static DiagnosticDescriptor Error(string id, string title, string message) =>
        new(id, title, message, "CoInference.Kernels", DiagnosticSeverity.Error, isEnabledByDefault: true);
}

/// <summary>Ends the translation of a statement; the diagnostic says why.</summary>
internal sealed class DialectException(DiagnosticDescriptor descriptor, SyntaxNode at, params object[] arguments) : System.Exception
{
    public Diagnostic Diagnostic { get; } = Diagnostic.Create(descriptor, at.GetLocation(), arguments);
}
