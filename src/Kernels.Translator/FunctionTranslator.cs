using System.Text;
using CoInference.Kernels.Translator.Targets;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace CoInference.Kernels.Translator;

/// <summary>Translates one method: signatures here, statements, expressions and views in the other parts.</summary>
internal sealed partial class FunctionTranslator
{
    private readonly KernelTranslation _program;
    private readonly TargetSyntax _target;
    private readonly IMethodSymbol _method;
    private readonly SyntaxNode _declaration;
    private readonly SemanticModel _model;
    private readonly Dictionary<ISymbol, Variable> _variables = new(SymbolEqualityComparer.Default);
    private readonly List<ViewMemory> _memories = [];
    private readonly StringBuilder _text = new();
    private readonly List<IParameterSymbol> _specialized = [];
    private readonly List<string> _sharedSizes = [];
    private int _depth = 1;
    private bool _isKernel;

    public FunctionTranslator(KernelTranslation program, IMethodSymbol method)
    {
        _program = program;
        _target = program.Target;
        _method = method;
        _declaration = method.DeclaringSyntaxReferences[0].GetSyntax();
        _model = program.Model(_declaration.SyntaxTree);
    }

    /// <summary>Translates a kernel.</summary>
    /// <remarks>A view becomes a buffer, an offset and a length, so that any part of a buffer can be passed without an alignment of its own.</remarks>
    public string Kernel(string name, KernelOptions options)
    {
        _isKernel = true;
        var parameters = new List<string>();
        var starts = new StringBuilder();
        string restrict = options.MayAlias ? "" : _target.Restrict + " ";
        foreach (IParameterSymbol parameter in _method.Parameters)
        {
            string local = KernelTranslation.Identifier(parameter.Name);
            try
            {
                if (ElementOf(parameter.Type) is { } element)
                {
                    var memory = Memory(AddressSpace.Global, element);
                    string pointer = $"{Const(memory)}{_target.Space(AddressSpace.Global)}{_program.TypeName(element, _declaration)}* ";
                    parameters.Add($"    {pointer}{restrict}{local}_buffer, const int {local}_offset, const int {local}_length");
                    starts.Append($"    {pointer}{restrict}{local} = {local}_buffer + {local}_offset;\n");
                    _variables[parameter] = new Variable(local, new ViewValue(memory, local, $"{local}_length"));
                }
                else if (SpecializedOf(parameter.Type) is not null)
                {
                    // A macro: the prefix keeps it away from fields and variables of the same name.
                    _variables[parameter] = new Variable($"SPECIALIZED_{parameter.Name}");
                    _specialized.Add(parameter);
                }
                else
                {
                    if (parameter.Type.SpecialType == SpecialType.System_Boolean || parameter.RefKind != RefKind.None)
                        throw new DialectException(DialectDiagnostics.Signature, _declaration, _method.Name, $"takes '{parameter.Name}' as bool or by reference; pass a number by value");
                    parameters.Add($"    const {_program.TypeName(parameter.Type, _declaration)} {local}");
                    _variables[parameter] = new Variable(local);
                }
            }
            catch (DialectException exception)
            {
                _program.Report(exception.Diagnostic);
                _variables[parameter] = new Variable(local);
            }
        }

        Body();
        return ResolveConst($"{_target.KernelHead(name, options)}(\n{string.Join(",\n", parameters)})\n{{\n{starts}{_text}}}\n");
    }

    /// <summary>Bytes of shared memory of a translated kernel as an expression of C#, each array at a multiple of 16.</summary>
    public string SharedBytes => _sharedSizes.Count == 0 ? "0L" : string.Join(" + ", _sharedSizes.Select(size => $"(({size} + 15) / 16 * 16)"));

    /// <summary>Translates a function that kernels call, for views in given kinds of memory.</summary>
    public FunctionResult Function(string name, IReadOnlyList<AddressSpace?> spaces, out string text)
    {
        var parameters = new List<string>();
        var memories = new List<ViewMemory?>();
        for (int i = 0; i < _method.Parameters.Length; i++)
        {
            IParameterSymbol parameter = _method.Parameters[i];
            if (parameter.RefKind != RefKind.None)
                throw new DialectException(DialectDiagnostics.Construct, _declaration, $"The parameter '{parameter.Name}' by reference", "return the value, or write through a view");
            string local = KernelTranslation.Identifier(parameter.Name);
            if (ElementOf(parameter.Type) is { } element)
            {
                ViewMemory memory = Memory(spaces[i]!.Value, element);
                memories.Add(memory);
                parameters.Add($"{Const(memory)}{_target.Space(memory.Space)}{_program.TypeName(element, _declaration)}* {local}, int {local}_length");
                _variables[parameter] = new Variable(local, new ViewValue(memory, local, $"{local}_length"));
            }
            else
            {
                memories.Add(null);
                parameters.Add($"{_program.TypeName(parameter.Type, _declaration)} {local}");
                _variables[parameter] = new Variable(local);
            }
        }

        string result = _method.ReturnsVoid ? "void" : _program.TypeName(_method.ReturnType, _declaration);
        Body();
        text = ResolveConst($"{_target.FunctionHead(result, name)}({string.Join(", ", parameters)})\n{{\n{WithTargetCode(_text.ToString())}}}\n");
        return new FunctionResult(name, [.. memories.Select(memory => memory is { IsWritten: true })]);
    }

    // The portable body is translated in any case: it says which views are stored to.
    private string WithTargetCode(string portable)
    {
        TargetCode[] codes = [.. TargetCode.Of(_method).Where(code => code.Language == _target.Name)];
        if (codes.Length == 0) return portable;
        var text = new StringBuilder();
        string directive = "#if";
        foreach (TargetCode code in codes)
        {
            if (code.Condition.Length == 0) return text.Length == 0 ? code.Indented : $"{text}#else\n{code.Indented}#endif\n";
            text.Append($"{directive} {code.Condition}\n{code.Indented}");
            directive = "#elif";
        }

        return $"{text}#else\n{portable}#endif\n";
    }

    private void Body()
    {
        switch (KernelTranslation.Body(_method))
        {
            case BlockSyntax block:
                foreach (StatementSyntax statement in block.Statements) Statement(statement);
                break;
            case ArrowExpressionClauseSyntax arrow:
                Guarded(() => Line(_method.ReturnsVoid ? SideEffect(arrow.Expression) + ";" : $"return {Value(arrow.Expression)};"));
                break;
            default:
                throw new DialectException(DialectDiagnostics.Call, _declaration, _method.Name);
        }
    }

    private void Guarded(System.Action translate)
    {
        try
        {
            translate();
        }
        catch (DialectException exception)
        {
            _program.Report(exception.Diagnostic);
        }
    }

    private void Line(string line) => _text.Append(' ', 4 * _depth).Append(line).Append('\n');

    // Whether a pointer is const is known only after the body: until then a mark stands in its place.
    private ViewMemory Memory(AddressSpace space, ITypeSymbol element)
    {
        var memory = new ViewMemory(space, element);
        _memories.Add(memory);
        return memory;
    }

    private string Const(ViewMemory memory) => $"\u0001{_memories.IndexOf(memory)}\u0002";

    private string ResolveConst(string text)
    {
        for (int i = 0; i < _memories.Count; i++) text = text.Replace($"\u0001{i}\u0002", _memories[i].IsWritten ? "" : "const ");
        return text;
    }
}
