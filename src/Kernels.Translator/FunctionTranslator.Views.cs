using System.Globalization;
using CoInference.Kernels.Translator.Targets;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace CoInference.Kernels.Translator;

internal sealed partial class FunctionTranslator
{
    /// <summary>The element type of a view; null for other types.</summary>
    public static ITypeSymbol? ElementOf(ITypeSymbol type) => type is INamedTypeSymbol { Name: "ArrayView", TypeArguments.Length: 1 } view ? view.TypeArguments[0] : null;

    /// <summary>The type of a specialized value; null for other types.</summary>
    public static ITypeSymbol? SpecializedOf(ITypeSymbol type) => type is INamedTypeSymbol { Name: "SpecializedValue", TypeArguments.Length: 1 } specialized ? specialized.TypeArguments[0] : null;

    private bool IsView(ExpressionSyntax expression) => _model.GetTypeInfo(expression).Type is { } type && ElementOf(type) is not null;

    private ViewValue View(ExpressionSyntax expression)
    {
        switch (expression)
        {
            case ParenthesizedExpressionSyntax parenthesized:
                return View(parenthesized.Expression);
            case IdentifierNameSyntax name when Symbol(name) is { } symbol && _variables.TryGetValue(symbol, out Variable? variable) && variable.View is { } view:
                return view;
            case InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax { Name.Identifier.Text: "SubView" } member } call:
                ViewValue whole = View(member.Expression);
                string offset = Operand(call.ArgumentList.Arguments[0].Expression);
                string length = call.ArgumentList.Arguments.Count > 1
                    ? $"(int)({Value(call.ArgumentList.Arguments[1].Expression)})"
                    : $"{whole.Length} - (int)({offset})";
                return new ViewValue(whole.Memory, $"{whole.Pointer} + {offset}", length);
            default:
                throw new DialectException(DialectDiagnostics.ViewValue, expression, expression.ToString());
        }
    }

    private AddressSpace? Allocation(InvocationExpressionSyntax call) => _model.GetSymbolInfo(call).Symbol switch
    {
        IMethodSymbol { Name: "Allocate", ContainingType.Name: "SharedMemory" } => AddressSpace.Shared,
        IMethodSymbol { Name: "Allocate", ContainingType.Name: "LocalMemory" } => AddressSpace.Private,
        _ => null,
    };

    private string Extent(InvocationExpressionSyntax call)
    {
        ExpressionSyntax extent = call.ArgumentList.Arguments[0].Expression;
        if (!IsFixed(extent)) throw new DialectException(DialectDiagnostics.Extent, extent, call.Expression.ToString());
        return Value(extent);
    }

    /// <summary>Whether an expression is made of constants and specialized values, so that the target's compiler knows its value.</summary>
    private bool IsFixed(ExpressionSyntax expression) =>
        _model.GetConstantValue(expression).HasValue || (expression switch
        {
            ParenthesizedExpressionSyntax parenthesized => IsFixed(parenthesized.Expression),
            BinaryExpressionSyntax binary => IsFixed(binary.Left) && IsFixed(binary.Right),
            CastExpressionSyntax cast => IsFixed(cast.Expression),
            IdentifierNameSyntax name => _model.GetTypeInfo(name).Type is { } type && SpecializedOf(type) is not null,
            MemberAccessExpressionSyntax { Name.Identifier.Text: "Value" } member => _model.GetTypeInfo(member.Expression).Type is { } type && SpecializedOf(type) is not null,
            _ => false,
        });

    /// <summary>The bytes of an allocation as an expression of C#, with specialized parameters as <c>specialized[i]</c>: hosts ask for them before a launch.</summary>
    private string SharedSize(InvocationExpressionSyntax call, ITypeSymbol element) =>
        $"({SizeOf(element)}L * ({HostValue(call.ArgumentList.Arguments[0].Expression)}))";

    private string HostValue(ExpressionSyntax expression) => _model.GetConstantValue(expression).Value is { } constant
        ? Convert.ToString(constant, CultureInfo.InvariantCulture)
        : expression switch
        {
            ParenthesizedExpressionSyntax parenthesized => $"({HostValue(parenthesized.Expression)})",
            BinaryExpressionSyntax binary => $"{HostValue(binary.Left)} {binary.OperatorToken.Text} {HostValue(binary.Right)}",
            CastExpressionSyntax cast => $"({cast.Type})({HostValue(cast.Expression)})",
            MemberAccessExpressionSyntax member => HostValue(member.Expression),
            _ => $"specialized[{_specialized.FindIndex(parameter => SymbolEqualityComparer.Default.Equals(parameter, Symbol(expression)))}]",
        };

    // Structs of the dialect hold numbers of 1, 2, 4 or 8 bytes, each aligned to its size on every target.
    private static int SizeOf(ITypeSymbol type) => Layout(type).Size;

    private static (int Size, int Alignment) Layout(ITypeSymbol type)
    {
        int number = type.SpecialType switch
        {
            SpecialType.System_Byte or SpecialType.System_SByte or SpecialType.System_Boolean => 1,
            SpecialType.System_Int16 or SpecialType.System_UInt16 => 2,
            SpecialType.System_Int64 or SpecialType.System_UInt64 => 8,
            _ => 4,
        };
        if (type.SpecialType != SpecialType.None || type.TypeKind != TypeKind.Struct) return (number, number);
        (int size, int alignment) = (0, 1);
        foreach (IFieldSymbol field in type.GetMembers().OfType<IFieldSymbol>().Where(field => !field.IsStatic))
        {
            (int fieldSize, int fieldAlignment) = Layout(field.Type);
            size = ((size + fieldAlignment - 1) / fieldAlignment * fieldAlignment) + fieldSize;
            alignment = System.Math.Max(alignment, fieldAlignment);
        }

        return ((size + alignment - 1) / alignment * alignment, alignment);
    }

    private string Element(ElementAccessExpressionSyntax access, bool isWritten)
    {
        if (!IsView(access.Expression)) throw new DialectException(DialectDiagnostics.Construct, access, $"Indexing '{access.Expression}'", "index an ArrayView");
        ViewValue view = View(access.Expression);
        if (isWritten) view.Memory.IsWritten = true;
        string pointer = view.Pointer.Contains(' ') ? $"({view.Pointer})" : view.Pointer;
        return $"{pointer}[{Value(access.ArgumentList.Arguments.Single().Expression)}]";
    }
}
