using CoInference.Kernels.Translator.Targets;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace CoInference.Kernels.Translator;

internal sealed partial class FunctionTranslator
{
    private void Statement(StatementSyntax statement) => Guarded(() =>
    {
        switch (statement)
        {
            case BlockSyntax block: Block(block); break;
            case LocalDeclarationStatementSyntax declaration: Declare(declaration); break;
            case ExpressionStatementSyntax expression: Expression(expression); break;
            case IfStatementSyntax branch: If(branch); break;
            case ForStatementSyntax loop: For(loop); break;
            case WhileStatementSyntax loop: Line($"while ({Value(loop.Condition)})"); Embedded(loop.Statement); break;
            case DoStatementSyntax loop: Line("do"); Embedded(loop.Statement); Line($"while ({Value(loop.Condition)});"); break;
            case SwitchStatementSyntax choice: Switch(choice); break;
            case BreakStatementSyntax: Line("break;"); break;
            case ContinueStatementSyntax: Line("continue;"); break;
            case ReturnStatementSyntax result: Line(result.Expression is { } value ? $"return {Value(value)};" : "return;"); break;
            case EmptyStatementSyntax: Line(";"); break;
            case LocalFunctionStatementSyntax function: RequireStatic(function); break;
            default: throw Outside(statement);
        }
    });

    private static DialectException Outside(SyntaxNode node) => node.Kind() switch
    {
        SyntaxKind.ForEachStatement => new(DialectDiagnostics.Construct, node, "foreach", "count with for"),
        SyntaxKind.TryStatement or SyntaxKind.ThrowStatement or SyntaxKind.ThrowExpression =>
            new(DialectDiagnostics.Construct, node, "Exception handling", "check before the launch, and write a status to a view"),
        SyntaxKind.LockStatement => new(DialectDiagnostics.Construct, node, "lock", "use Atomic or Group.Barrier"),
        SyntaxKind.UsingStatement => new(DialectDiagnostics.Construct, node, "using", "a kernel owns nothing that could be disposed"),
        SyntaxKind.CheckedStatement or SyntaxKind.CheckedExpression => new(DialectDiagnostics.Construct, node, "checked", "integers wrap around on every target"),
        SyntaxKind.UnsafeStatement or SyntaxKind.FixedStatement => new(DialectDiagnostics.Construct, node, "A pointer", "index a view"),
        SyntaxKind.GotoStatement or SyntaxKind.LabeledStatement => new(DialectDiagnostics.Construct, node, "goto", "use a loop with break or continue"),
        SyntaxKind.SwitchExpression => new(DialectDiagnostics.Construct, node, "A switch expression", "use a switch statement or ?:"),
        SyntaxKind.ObjectCreationExpression or SyntaxKind.ImplicitObjectCreationExpression =>
            new(DialectDiagnostics.Construct, node, "'new'", "declare a struct with an object initializer, or allocate with LocalMemory or SharedMemory"),
        SyntaxKind.ArrayCreationExpression or SyntaxKind.ImplicitArrayCreationExpression or SyntaxKind.StackAllocArrayCreationExpression =>
            new(DialectDiagnostics.Construct, node, "An array", "use LocalMemory.Allocate"),
        SyntaxKind.SimpleLambdaExpression or SyntaxKind.ParenthesizedLambdaExpression or SyntaxKind.AnonymousMethodExpression =>
            new(DialectDiagnostics.Construct, node, "A lambda", "write a static local function"),
        SyntaxKind.StringLiteralExpression or SyntaxKind.InterpolatedStringExpression => new(DialectDiagnostics.Construct, node, "A string", "a kernel has numbers only"),
        SyntaxKind.TupleExpression or SyntaxKind.DeclarationExpression => new(DialectDiagnostics.Construct, node, "A tuple or out variable", "declare one variable for each value"),
        SyntaxKind.RefType or SyntaxKind.RefExpression => new(DialectDiagnostics.Construct, node, "A reference", "index the view again"),
        _ => new(DialectDiagnostics.Construct, node, $"'{node.Kind()}'", "rewrite it with declarations, assignments, if, for, while and calls"),
    };

    private void Block(BlockSyntax block)
    {
        Line("{");
        Nested(block.Statements);
        Line("}");
    }

    private void Nested(IEnumerable<StatementSyntax> statements)
    {
        _depth++;
        foreach (StatementSyntax statement in statements) Statement(statement);
        _depth--;
    }

    private void Embedded(StatementSyntax statement)
    {
        if (statement is BlockSyntax block) Block(block);
        else Nested([statement]);
    }

    private void If(IfStatementSyntax branch)
    {
        Line($"if ({Value(branch.Condition)})");
        Embedded(branch.Statement);
        if (branch.Else is not { } otherwise) return;
        Line("else");
        Embedded(otherwise.Statement);
    }

    private void For(ForStatementSyntax loop)
    {
        string start = loop.Declaration is { } declaration ? Declarators(declaration) : string.Join(", ", loop.Initializers.Select(SideEffect));
        string condition = loop.Condition is { } test ? Value(test) : "";
        Line($"for ({start}; {condition}; {string.Join(", ", loop.Incrementors.Select(SideEffect))})");
        Embedded(loop.Statement);
    }

    private void Switch(SwitchStatementSyntax choice)
    {
        Line($"switch ({Value(choice.Expression)})");
        Line("{");
        _depth++;
        foreach (SwitchSectionSyntax section in choice.Sections)
        {
            foreach (SwitchLabelSyntax label in section.Labels)
            {
                Line(label switch
                {
                    CaseSwitchLabelSyntax constant => $"case {Value(constant.Value)}:",
                    DefaultSwitchLabelSyntax => "default:",
                    _ => throw new DialectException(DialectDiagnostics.Construct, label, "A pattern", "use constants as labels, or if"),
                });
            }

            // A block of its own: C# lets sections declare variables, C only after a brace.
            Line("{");
            Nested(section.Statements);
            Line("}");
        }

        _depth--;
        Line("}");
    }

    private void Expression(ExpressionStatementSyntax statement)
    {
        if (statement.Expression is InvocationExpressionSyntax call && _model.GetSymbolInfo(call).Symbol is IMethodSymbol { Name: "Unroll", ContainingType.Name: "Loop" })
        {
            Line(Unroll(statement, call));
            return;
        }

        Line(SideEffect(statement.Expression) + ";");
    }

    private string Unroll(ExpressionStatementSyntax statement, InvocationExpressionSyntax call)
    {
        SyntaxList<StatementSyntax> siblings = statement.Parent switch
        {
            BlockSyntax block => block.Statements,
            SwitchSectionSyntax section => section.Statements,
            _ => throw new DialectException(DialectDiagnostics.UnrollTarget, statement),
        };
        int next = siblings.IndexOf(statement) + 1;
        if (next >= siblings.Count || siblings[next] is not ForStatementSyntax) throw new DialectException(DialectDiagnostics.UnrollTarget, statement);
        if (call.ArgumentList.Arguments.Count == 0) return "#pragma unroll";
        return _model.GetConstantValue(call.ArgumentList.Arguments[0].Expression).Value is int and >= 1 and int count
            ? $"#pragma unroll {count}"
            : throw new DialectException(DialectDiagnostics.UnrollTarget, statement);
    }

    private void RequireStatic(LocalFunctionStatementSyntax function)
    {
        if (_model.GetDeclaredSymbol(function) is IMethodSymbol { IsStatic: true }) return;
        foreach (IdentifierNameSyntax name in function.DescendantNodes().OfType<IdentifierNameSyntax>())
        {
            if (_model.GetSymbolInfo(name).Symbol is { } symbol and (ILocalSymbol or IParameterSymbol)
                && _variables.ContainsKey(symbol))
                throw new DialectException(DialectDiagnostics.Capture, name, function.Identifier.Text, symbol.Name);
        }
    }

    private void Declare(LocalDeclarationStatementSyntax statement)
    {
        if (statement.IsConst) return; // its uses are replaced by its value
        if (statement.UsingKeyword.RawKind != 0) throw new DialectException(DialectDiagnostics.Construct, statement, "using", "a kernel owns nothing that could be disposed");
        foreach (VariableDeclaratorSyntax declarator in statement.Declaration.Variables)
        {
            if (_model.GetDeclaredSymbol(declarator) is not ILocalSymbol local) throw Outside(statement);
            if (local.IsRef) throw new DialectException(DialectDiagnostics.Construct, statement, "A reference", "index the view again");
            if (ElementOf(local.Type) is not null) DeclareView(local, declarator);
            else if (declarator.Initializer?.Value is BaseObjectCreationExpressionSyntax creation) DeclareStruct(local, creation);
            else Line(Declarator(local, declarator) + ";");
        }
    }

    private string Declarators(VariableDeclarationSyntax declaration)
    {
        if (declaration.Variables.Count > 1) throw new DialectException(DialectDiagnostics.Construct, declaration, "More than one variable in a for", "declare the others before it");
        VariableDeclaratorSyntax declarator = declaration.Variables[0];
        var local = (ILocalSymbol)_model.GetDeclaredSymbol(declarator)!;
        return Declarator(local, declarator);
    }

    private string Declarator(ILocalSymbol local, VariableDeclaratorSyntax declarator)
    {
        string name = KernelTranslation.Identifier(local.Name);
        // The value first: what it is made of says more than its type.
        string value = declarator.Initializer is { } initializer ? $" = {Result(initializer.Value)}" : "";
        _variables[local] = new Variable(name);
        return $"{_program.TypeName(local.Type, declarator)} {name}{value}";
    }

    private void DeclareStruct(ILocalSymbol local, BaseObjectCreationExpressionSyntax creation)
    {
        if (creation.ArgumentList is { Arguments.Count: > 0 }) throw Outside(creation);
        string name = KernelTranslation.Identifier(local.Name);
        Line($"{_program.TypeName(local.Type, creation)} {name};");
        _variables[local] = new Variable(name);
        foreach (ExpressionSyntax entry in creation.Initializer?.Expressions ?? default)
        {
            if (entry is not AssignmentExpressionSyntax { Left: IdentifierNameSyntax field } assignment) throw Outside(entry);
            Line($"{name}.{FieldName(field, local.Type)} = {Value(assignment.Right)};");
        }
    }

    private static string FieldName(IdentifierNameSyntax field, ITypeSymbol type) =>
        type.Name == "Float4" ? field.Identifier.Text.ToLowerInvariant() : KernelTranslation.Identifier(field.Identifier.Text);

    private void DeclareView(ILocalSymbol local, VariableDeclaratorSyntax declarator)
    {
        if (declarator.Initializer?.Value is not { } value) throw new DialectException(DialectDiagnostics.ViewValue, declarator, local.Name);
        string name = KernelTranslation.Identifier(local.Name);
        if (value is InvocationExpressionSyntax call && Allocation(call) is { } space)
        {
            ITypeSymbol element = ElementOf(local.Type)!;
            string extent = Extent(call);
            if (space == AddressSpace.Shared && !(_isKernel && declarator.Parent?.Parent?.Parent == KernelTranslation.Body(_method)))
                throw new DialectException(DialectDiagnostics.SharedScope, declarator);
            string type = _program.TypeName(element, declarator);
            if (space == AddressSpace.Private)
            {
                Line($"{type} {name}[{extent}];");
            }
            else
            {
                foreach (string line in _target.SharedArray(type, name, extent, isFirst: _sharedSizes.Count == 0)) Line(line);
                _sharedSizes.Add(SharedSize(call, element));
            }

            ViewMemory memory = Memory(space, element);
            memory.IsWritten = true;
            _variables[local] = new Variable(name, new ViewValue(memory, name, extent));
            return;
        }

        ViewValue view = View(value);
        Line($"{Const(view.Memory)}{_target.Space(view.Memory.Space)}{_program.TypeName(view.Memory.Element, declarator)}* {name} = {view.Pointer};");
        Line($"const int {name}_length = {view.Length};");
        _variables[local] = new Variable(name, new ViewValue(view.Memory, name, $"{name}_length"));
    }
}
