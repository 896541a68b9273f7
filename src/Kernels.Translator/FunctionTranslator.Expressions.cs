using System.Globalization;
using CoInference.Kernels.Translator.Targets;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace CoInference.Kernels.Translator;

internal sealed partial class FunctionTranslator
{
    private ISymbol? Symbol(ExpressionSyntax expression) => _model.GetSymbolInfo(expression).Symbol;

    /// <summary>An expression that is a statement: an assignment, an increment or a call.</summary>
    private string SideEffect(ExpressionSyntax expression)
    {
        switch (expression)
        {
            case AssignmentExpressionSyntax assignment:
                return Assign(assignment);
            case PrefixUnaryExpressionSyntax { RawKind: (int)SyntaxKind.PreIncrementExpression or (int)SyntaxKind.PreDecrementExpression } prefix:
                return $"{prefix.OperatorToken.Text}{Place(prefix.Operand)}";
            case PostfixUnaryExpressionSyntax { RawKind: (int)SyntaxKind.PostIncrementExpression or (int)SyntaxKind.PostDecrementExpression } postfix:
                return $"{Place(postfix.Operand)}{postfix.OperatorToken.Text}";
            case InvocationExpressionSyntax call:
                return Call(call);
            default:
                throw Outside(expression);
        }
    }

    private string Assign(AssignmentExpressionSyntax assignment)
    {
        if (IsView(assignment.Left)) throw new DialectException(DialectDiagnostics.ViewValue, assignment, assignment.Left.ToString());
        string target = Place(assignment.Left);
        string value = Result(assignment.Right);
        switch (assignment.Kind())
        {
            case SyntaxKind.ModuloAssignmentExpression when _model.GetTypeInfo(assignment.Left).Type?.SpecialType == SpecialType.System_Single:
                throw new DialectException(DialectDiagnostics.Construct, assignment, "% of floats", "subtract MathF.Floor of the quotient times the divisor");
            case SyntaxKind.LeftShiftAssignmentExpression or SyntaxKind.RightShiftAssignmentExpression:
                return $"{target} {assignment.OperatorToken.Text} {ShiftCount(assignment.Right, assignment.Left)}";
            case SyntaxKind.UnsignedRightShiftAssignmentExpression or SyntaxKind.CoalesceAssignmentExpression:
                throw Outside(assignment);
            default:
                return $"{target} {assignment.OperatorToken.Text} {value}";
        }
    }

    /// <summary>Something that can be assigned to.</summary>
    private string Place(ExpressionSyntax expression)
    {
        switch (expression)
        {
            case ParenthesizedExpressionSyntax parenthesized: return Place(parenthesized.Expression);
            case ElementAccessExpressionSyntax access: return Element(access, isWritten: true);
            case IdentifierNameSyntax name when Symbol(name) is { } symbol && _variables.TryGetValue(symbol, out Variable? variable): return variable.Name;
            case MemberAccessExpressionSyntax member when Symbol(member) is IFieldSymbol { IsStatic: false } field: return $"{Place(member.Expression)}.{Field(field)}";
            default: throw Outside(expression);
        }
    }

    /// <summary>An expression whose effects are at most those of one call, as the right side of an assignment may be.</summary>
    private string Result(ExpressionSyntax expression) =>
        expression is InvocationExpressionSyntax call && IsAtomic(call) ? Converted(call, Call(call)) : Value(expression);

    /// <summary>An expression without effects, converted as C# converts it.</summary>
    private string Value(ExpressionSyntax expression)
    {
        TypeInfo type = _model.GetTypeInfo(expression);
        Optional<object?> constant = _model.GetConstantValue(expression);
        if (constant.HasValue && constant.Value is { } number && type.ConvertedType is { } converted) return Literal(number, converted, expression);
        return Converted(expression, Unconverted(expression));
    }

    private string Converted(ExpressionSyntax expression, string text)
    {
        TypeInfo type = _model.GetTypeInfo(expression);
        if (type.Type is null || type.ConvertedType is null || SymbolEqualityComparer.Default.Equals(type.Type, type.ConvertedType)) return text;
        if (SpecializedOf(type.Type) is not null) return text;
        // C promotes what is narrower than int in the same way.
        if (type.ConvertedType.SpecialType == SpecialType.System_Int32 && IsNarrow(type.Type.SpecialType)) return text;
        // An index may be of any width: C# widens it to 64 bits, which costs and changes nothing.
        if (type.ConvertedType.SpecialType == SpecialType.System_Int64 && expression.Parent is ArgumentSyntax { Parent: BracketedArgumentListSyntax }) return text;
        return $"({_program.TypeName(type.ConvertedType, expression)}){Tight(expression, text)}";
    }

    private static bool IsNarrow(SpecialType type) =>
        type is SpecialType.System_Byte or SpecialType.System_SByte or SpecialType.System_Int16 or SpecialType.System_UInt16;

    private string Unconverted(ExpressionSyntax expression)
    {
        switch (expression)
        {
            case ParenthesizedExpressionSyntax parenthesized:
                return $"({Value(parenthesized.Expression)})";
            case IdentifierNameSyntax name:
                return Name(name);
            case ElementAccessExpressionSyntax access:
                return Element(access, isWritten: false);
            case MemberAccessExpressionSyntax member:
                return Member(member);
            case BinaryExpressionSyntax binary:
                return Binary(binary);
            case PrefixUnaryExpressionSyntax { RawKind: (int)SyntaxKind.UnaryMinusExpression or (int)SyntaxKind.UnaryPlusExpression or (int)SyntaxKind.LogicalNotExpression or (int)SyntaxKind.BitwiseNotExpression } unary:
                return $"{unary.OperatorToken.Text}{Operand(unary.Operand)}";
            case PrefixUnaryExpressionSyntax { RawKind: (int)SyntaxKind.PreIncrementExpression or (int)SyntaxKind.PreDecrementExpression }
                or PostfixUnaryExpressionSyntax { RawKind: (int)SyntaxKind.PostIncrementExpression or (int)SyntaxKind.PostDecrementExpression }:
                throw new DialectException(DialectDiagnostics.SideEffect, expression, "An increment");
            case AssignmentExpressionSyntax:
                throw new DialectException(DialectDiagnostics.SideEffect, expression, "An assignment");
            case ConditionalExpressionSyntax conditional:
                return $"{Operand(conditional.Condition)} ? {Operand(conditional.WhenTrue)} : {Operand(conditional.WhenFalse)}";
            case CastExpressionSyntax cast:
                return Cast(cast);
            case InvocationExpressionSyntax call:
                return IsAtomic(call) ? throw new DialectException(DialectDiagnostics.SideEffect, call, "An atomic operation") : Call(call);
            default:
                throw Outside(expression);
        }
    }

    /// <summary>An expression as an operand: in parentheses unless it is one word or call.</summary>
    private string Operand(ExpressionSyntax expression) => Tight(expression, Value(expression));

    private static string Tight(ExpressionSyntax expression, string text) =>
        expression is IdentifierNameSyntax or LiteralExpressionSyntax or ElementAccessExpressionSyntax or ParenthesizedExpressionSyntax or MemberAccessExpressionSyntax
            && !text.StartsWith("(", StringComparison.Ordinal) && !text.StartsWith("-", StringComparison.Ordinal)
            ? text
            : IsParenthesized(text) ? text : $"({text})";

    private static bool IsParenthesized(string text)
    {
        if (text.Length < 2 || text[0] != '(') return false;
        int depth = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '(') depth++;
            else if (text[i] == ')' && --depth == 0) return i == text.Length - 1;
        }

        return false;
    }

    private string Name(IdentifierNameSyntax name) => Symbol(name) switch
    {
        { } symbol when _variables.TryGetValue(symbol, out Variable? variable) => variable.View is null
            ? variable.Name
            : throw new DialectException(DialectDiagnostics.ViewValue, name, name.Identifier.Text),
        ILocalSymbol or IParameterSymbol => throw new DialectException(DialectDiagnostics.Capture, name, _method.Name, name.Identifier.Text),
        _ => throw new DialectException(DialectDiagnostics.Construct, name, $"The static or instance member '{name.Identifier.Text}'", "pass it as a parameter, or make it const"),
    };

    private string Member(MemberAccessExpressionSyntax member)
    {
        string name = member.Name.Identifier.Text;
        switch (Symbol(member))
        {
            case IPropertySymbol { IsStatic: true, ContainingType.Name: "Grid" or "Group" } property when name.Length == 4:
                return _target.ThreadIndex(property.ContainingType.Name, name);
            case IPropertySymbol { IsStatic: true, ContainingType.Name: "Warp" } property:
                _program.UsesWarps = true;
                return _target.Warp(property.Name, []);
            case IPropertySymbol { Name: "Length" or "IntLength" } when IsView(member.Expression):
                return View(member.Expression).Length;
            case IPropertySymbol { Name: "Value", ContainingType.Name: "SpecializedValue" }:
                return Value(member.Expression);
            case IFieldSymbol { IsStatic: false } field:
                return $"{Operand(member.Expression)}.{Field(field)}";
            default:
                throw new DialectException(DialectDiagnostics.Construct, member, $"'{member}'", "use fields of structs, constants, and the members of Grid, Group and views");
        }
    }

    private static string Field(IFieldSymbol field) =>
        field.ContainingType.Name == "Float4" ? field.Name.ToLowerInvariant() : KernelTranslation.Identifier(field.Name);

    private string Binary(BinaryExpressionSyntax binary)
    {
        ITypeSymbol? type = _model.GetTypeInfo(binary.Left).ConvertedType;
        switch (binary.Kind())
        {
            case SyntaxKind.LeftShiftExpression or SyntaxKind.RightShiftExpression:
                return $"{Operand(binary.Left)} {binary.OperatorToken.Text} {ShiftCount(binary.Right, binary.Left)}";
            case SyntaxKind.UnsignedRightShiftExpression:
                bool isLong = type?.SpecialType is SpecialType.System_Int64 or SpecialType.System_UInt64;
                string unsigned = _target.Number(isLong ? SpecialType.System_UInt64 : SpecialType.System_UInt32)!;
                return $"({_program.TypeName(type!, binary)})(({unsigned}){Operand(binary.Left)} >> {ShiftCount(binary.Right, binary.Left)})";
            case SyntaxKind.ModuloExpression when type?.SpecialType == SpecialType.System_Single:
                throw new DialectException(DialectDiagnostics.Construct, binary, "% of floats", "subtract MathF.Floor of the quotient times the divisor");
            case SyntaxKind.AddExpression or SyntaxKind.SubtractExpression or SyntaxKind.MultiplyExpression or SyntaxKind.DivideExpression or SyntaxKind.ModuloExpression
                or SyntaxKind.BitwiseAndExpression or SyntaxKind.BitwiseOrExpression or SyntaxKind.ExclusiveOrExpression
                or SyntaxKind.LogicalAndExpression or SyntaxKind.LogicalOrExpression
                or SyntaxKind.EqualsExpression or SyntaxKind.NotEqualsExpression
                or SyntaxKind.LessThanExpression or SyntaxKind.LessThanOrEqualExpression or SyntaxKind.GreaterThanExpression or SyntaxKind.GreaterThanOrEqualExpression:
                // Precedence and associativity are those of C#, which are C's for these operators.
                return $"{Value(binary.Left)} {binary.OperatorToken.Text} {Value(binary.Right)}";
            default:
                throw Outside(binary);
        }
    }

    // C# takes the count modulo the width; C leaves a larger one undefined.
    private string ShiftCount(ExpressionSyntax count, ExpressionSyntax shifted)
    {
        bool isLong = _model.GetTypeInfo(shifted).ConvertedType?.SpecialType is SpecialType.System_Int64 or SpecialType.System_UInt64;
        int mask = isLong ? 63 : 31;
        if (_model.GetConstantValue(count).Value is int constant) return (constant & mask).ToString(CultureInfo.InvariantCulture);
        return $"({Operand(count)} & {mask})";
    }

    private string Cast(CastExpressionSyntax cast)
    {
        ITypeSymbol type = _model.GetTypeInfo(cast).Type!;
        if (Symbol(cast) is IMethodSymbol { MethodKind: MethodKind.Conversion, ContainingType.SpecialType: SpecialType.None })
            throw new DialectException(DialectDiagnostics.Construct, cast, "A user-defined conversion", "call a static method");
        return $"({_program.TypeName(type, cast)}){Operand(cast.Expression)}";
    }

    private bool IsAtomic(InvocationExpressionSyntax call) => Symbol(call) is IMethodSymbol { ContainingType.Name: "Atomic" };

    private string Call(InvocationExpressionSyntax call)
    {
        if (Symbol(call) is not IMethodSymbol method) throw new DialectException(DialectDiagnostics.Call, call, call.Expression.ToString());
        string owner = method.ContainingType.Name;
        SeparatedSyntaxList<ArgumentSyntax> arguments = call.ArgumentList.Arguments;
        if (arguments.FirstOrDefault(argument => argument.NameColon is not null) is { } named)
            throw new DialectException(DialectDiagnostics.Construct, named, "A named argument", "pass arguments in order");
        if (owner == "Group" && method.Name == "Barrier") return _target.Barrier;
        if (owner == "Atomic") return AtomicCall(call, method, arguments);
        if (owner == "Warp")
        {
            _program.UsesWarps = true;
            return _target.Warp(method.Name, [.. arguments.Select(argument => Value(argument.Expression))]);
        }

        if (method.ContainingNamespace?.ToDisplayString() == "System")
        {
            bool isFloat = method.Parameters.Length > 0 && method.Parameters[0].Type.SpecialType == SpecialType.System_Single;
            bool isSmall = method.Parameters.All(parameter => parameter.Type.SpecialType is SpecialType.System_Int32 or SpecialType.System_UInt32 or SpecialType.System_Single);
            return (isSmall ? _target.Function(owner, method.Name, isFloat, [.. arguments.Select(argument => Value(argument.Expression))]) : null)
                ?? throw new DialectException(DialectDiagnostics.Call, call, $"{owner}.{method.Name}");
        }

        if (!method.IsStatic || method.IsGenericMethod || KernelTranslation.Body(method) is null || arguments.Count != method.Parameters.Length)
            throw new DialectException(DialectDiagnostics.Call, call, $"{owner}.{method.Name}");
        return IntrinsicCall(owner, method, arguments) ?? FunctionCall(call, method, arguments);
    }

    private string? IntrinsicCall(string owner, IMethodSymbol method, SeparatedSyntaxList<ArgumentSyntax> arguments)
    {
        string[] probe = [.. arguments.Select(_ => "0")];
        if (_target.Intrinsic(owner, method.Name, probe, AddressSpace.Global) is null) return null;
        AddressSpace space = AddressSpace.Global;
        var values = new string[arguments.Count];
        for (int i = 0; i < values.Length; i++)
        {
            if (!IsView(arguments[i].Expression))
            {
                values[i] = i == 1 ? Operand(arguments[i].Expression) : Value(arguments[i].Expression);
                continue;
            }

            ViewValue view = View(arguments[i].Expression);
            if (method.ReturnsVoid) view.Memory.IsWritten = true;
            space = view.Memory.Space;
            values[i] = view.Pointer.Contains(' ') ? $"({view.Pointer})" : view.Pointer;
        }

        return _target.Intrinsic(owner, method.Name, values, space);
    }

    private string FunctionCall(InvocationExpressionSyntax call, IMethodSymbol method, SeparatedSyntaxList<ArgumentSyntax> arguments)
    {
        ViewValue?[] views = [.. arguments.Select(argument => IsView(argument.Expression) ? View(argument.Expression) : null)];
        FunctionResult function = _program.Function(method, [.. views.Select(view => view?.Memory.Space)], call);
        var values = new List<string>();
        for (int i = 0; i < views.Length; i++)
        {
            if (views[i] is not { } view)
            {
                values.Add(Value(arguments[i].Expression));
                continue;
            }

            if (function.Written[i]) view.Memory.IsWritten = true;
            values.Add(view.Pointer);
            values.Add(view.Length);
        }

        return $"{function.Name}({string.Join(", ", values)})";
    }

    private string AtomicCall(InvocationExpressionSyntax call, IMethodSymbol method, SeparatedSyntaxList<ArgumentSyntax> arguments)
    {
        if (arguments[0].Expression is not ElementAccessExpressionSyntax access)
            throw new DialectException(DialectDiagnostics.Construct, call, "An atomic operation on something else than an element", "write Atomic.Add(ref view[i], value)");
        string address = $"&{Element(access, isWritten: true)}";
        ViewValue view = View(access.Expression);
        string[] rest = [.. arguments.Skip(1).Select(argument => Value(argument.Expression))];
        return _target.Atomic(method.Name, view.Memory.Element.SpecialType, view.Memory.Space, address, rest)
            ?? throw new DialectException(DialectDiagnostics.Call, call, $"Atomic.{method.Name} of {view.Memory.Element.ToDisplayString()}");
    }

    private string Literal(object value, ITypeSymbol type, SyntaxNode at)
    {
        if (type is INamedTypeSymbol { TypeKind: TypeKind.Enum, EnumUnderlyingType: { } underlying }) type = underlying;
        if (value is string) throw Outside(at);
        switch (type.SpecialType)
        {
            case SpecialType.System_Boolean:
                return (bool)value ? "true" : "false";
            case SpecialType.System_Single:
                return Single(Convert.ToSingle(value, CultureInfo.InvariantCulture));
            case SpecialType.System_UInt32:
                return Convert.ToUInt32(value, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture) + "u";
            case SpecialType.System_Int64:
                // As an index it needs no width of its own.
                long wide = Convert.ToInt64(value, CultureInfo.InvariantCulture);
                string digits = wide.ToString(CultureInfo.InvariantCulture);
                return at.Parent is ArgumentSyntax { Parent: BracketedArgumentListSyntax } && wide is >= 0 and <= int.MaxValue ? digits
                    : wide == long.MinValue ? $"(-9223372036854775807{_target.LongSuffix} - 1)" : digits + _target.LongSuffix;
            case SpecialType.System_UInt64:
                return Convert.ToUInt64(value, CultureInfo.InvariantCulture).ToString(CultureInfo.InvariantCulture) + "u" + _target.LongSuffix;
            case SpecialType.System_Int32 or SpecialType.System_Int16 or SpecialType.System_UInt16 or SpecialType.System_Byte or SpecialType.System_SByte:
                int number = Convert.ToInt32(value, CultureInfo.InvariantCulture);
                return number == int.MinValue ? "(-2147483647 - 1)" : number.ToString(CultureInfo.InvariantCulture);
            default:
                throw new DialectException(DialectDiagnostics.Type, at, type.ToDisplayString());
        }
    }

    private string Single(float value)
    {
        if (float.IsNaN(value)) return _target.NaN;
        if (float.IsInfinity(value)) return value > 0 ? _target.Infinity : $"(-{_target.Infinity})";
        // Nine digits name every float.
        string text = value.ToString("G9", CultureInfo.InvariantCulture);
        if (value.ToString("R", CultureInfo.InvariantCulture) is var shortest && float.Parse(shortest, CultureInfo.InvariantCulture).Equals(value)) text = shortest;
        return (text.IndexOfAny(['.', 'E']) < 0 ? text + ".0" : text) + "f";
    }
}
