using System.Text;
using CoInference.Kernels.Translator.Targets;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace CoInference.Kernels.Translator;

/// <summary>One kernel in one target language: the kernel itself, the functions that it calls and the structs that it uses.</summary>
internal sealed class KernelTranslation(Compilation compilation, TargetSyntax target)
{
    // Words that C, OpenCL C or CUDA C++ keep for themselves and that are fine names in C#.
    private static readonly HashSet<string> Reserved =
    [
        "auto", "register", "restrict", "signed", "unsigned", "union", "typedef", "inline", "half", "kernel", "global", "local", "constant",
        "private", "uniform", "pipe", "main", "template", "typename", "delete", "friend", "mutable", "asm", "warpSize", "min", "max", "abs",
        "fma", "mad", "dot", "length", "distance", "step", "mix", "sign", "select", "any", "all", "clamp", "exp", "log", "pow", "floor",
        "ceil", "round", "rint", "trunc", "sqrt", "sin", "cos", "tan", "tanh", "barrier", "size_t", "and", "or", "not", "xor", "image2d_t",
    ];

    private readonly Dictionary<string, FunctionResult> _functions = [];
    private readonly List<IMethodSymbol> _open = [];
    private readonly StringBuilder _functionTexts = new();
    private readonly StringBuilder _structTexts = new();
    private readonly Dictionary<ISymbol, string> _structs = new(SymbolEqualityComparer.Default);
    private readonly List<Diagnostic> _errors = [];

    /// <summary>The language.</summary>
    public TargetSyntax Target { get; } = target;

    /// <summary>Whether a warp operation was met.</summary>
    public bool UsesWarps { get; set; }

    /// <summary>Bytes of shared memory of the kernel as an expression of C#.</summary>
    public string SharedBytes { get; private set; } = "0L";

    /// <summary>What is outside the dialect.</summary>
    public IReadOnlyList<Diagnostic> Errors => _errors;

    /// <summary>Translates a kernel; the target's prelude goes before it.</summary>
    public string Translate(IMethodSymbol kernel, string name, KernelOptions options)
    {
        if (TargetCode.Of(kernel).Any())
            throw new DialectException(DialectDiagnostics.TargetCode, kernel.DeclaringSyntaxReferences[0].GetSyntax(), kernel.Name, "has no effect on a kernel; put it on a function that the kernel calls");
        var translator = new FunctionTranslator(this, kernel);
        string text = translator.Kernel(name, options);
        SharedBytes = translator.SharedBytes;
        return $"{(UsesWarps ? Target.WarpPrelude : "")}{_structTexts}{_functionTexts}{text}";
    }

    public SemanticModel Model(SyntaxTree tree) => compilation.GetSemanticModel(tree);

    public void Report(Diagnostic error)
    {
        if (!_errors.Exists(known => known.Id == error.Id && known.Location.Equals(error.Location))) _errors.Add(error);
    }

    /// <summary>A name that no target keeps for itself.</summary>
    public static string Identifier(string name) => Reserved.Contains(name) ? name + "_" : name;

    /// <summary>The C name of a number or struct type; declares the struct at its first use.</summary>
    public string TypeName(ITypeSymbol type, SyntaxNode at)
    {
        if (type is INamedTypeSymbol { TypeKind: TypeKind.Enum, EnumUnderlyingType: { } underlying }) type = underlying;
        if (Target.Number(type.SpecialType) is { } number) return number;
        if (type.SpecialType != SpecialType.None || type.TypeKind != TypeKind.Struct || type is INamedTypeSymbol { IsGenericType: true })
            throw new DialectException(DialectDiagnostics.Type, at, type.ToDisplayString());
        if (type.Name == "Float4") return "float4";
        if (_structs.TryGetValue(type, out string? known)) return known;
        if (type.DeclaringSyntaxReferences.Length == 0) throw new DialectException(DialectDiagnostics.Type, at, type.ToDisplayString());
        return DeclareStruct(type, at);
    }

    /// <summary>The name and properties of a function for arguments in given kinds of memory; translates it at its first use.</summary>
    public FunctionResult Function(IMethodSymbol method, IReadOnlyList<AddressSpace?> spaces, SyntaxNode at)
    {
        method = method.OriginalDefinition;
        // OpenCL C 1.2 has no pointer to "any" memory, so there is one function for each combination that is called.
        string key = method.ToDisplayString(SymbolDisplayFormat.CSharpErrorMessageFormat) + ":" + string.Join(",", spaces);
        if (_functions.TryGetValue(key, out FunctionResult? known)) return known;
        if (_open.Contains(method, SymbolEqualityComparer.Default)) throw new DialectException(DialectDiagnostics.Recursion, at, method.Name);
        _open.Add(method);
        string suffix = string.Concat(spaces.Where(space => space is not null).Select(space => space!.Value.ToString()[0]));
        string name = $"{Identifier(method.Name)}{(suffix.Length == 0 ? "" : "_" + suffix.ToLowerInvariant())}";
        int same = _functions.Values.Count(function => function.Name == name);
        var translator = new FunctionTranslator(this, method);
        FunctionResult result = translator.Function(same == 0 ? name : $"{name}_{same + 1}", spaces, out string text);
        _open.RemoveAt(_open.Count - 1);
        _functions[key] = result;
        _functionTexts.Append(text).Append('\n');
        return result;
    }

    private string DeclareStruct(ITypeSymbol type, SyntaxNode at)
    {
        var fields = new List<string>();
        foreach (ISymbol member in type.GetMembers())
        {
            if (member.IsStatic || member is IMethodSymbol { MethodKind: not MethodKind.Ordinary }) continue;
            if (member is not IFieldSymbol field)
                throw new DialectException(DialectDiagnostics.StructLayout, at, type.Name, $"has the member '{member.Name}', and only fields can be passed to a device");
            if (field.Type.SpecialType == SpecialType.System_Boolean)
                throw new DialectException(DialectDiagnostics.StructLayout, at, type.Name, $"has the bool '{field.Name}', whose size differs between languages; use an int");
            fields.Add($"    {TypeName(field.Type, at)} {Identifier(field.Name)};\n");
        }

        if (fields.Count == 0) throw new DialectException(DialectDiagnostics.StructLayout, at, type.Name, "has no fields");
        _structs[type] = type.Name;
        _structTexts.Append("typedef struct\n{\n").Append(string.Concat(fields)).Append("} ").Append(type.Name).Append(";\n\n");
        return type.Name;
    }

    /// <summary>Where a method's code is.</summary>
    public static SyntaxNode? Body(IMethodSymbol method) => method.DeclaringSyntaxReferences.FirstOrDefault()?.GetSyntax() switch
    {
        MethodDeclarationSyntax declaration => (SyntaxNode?)declaration.Body ?? declaration.ExpressionBody,
        LocalFunctionStatementSyntax local => (SyntaxNode?)local.Body ?? local.ExpressionBody,
        _ => null,
    };
}

/// <summary>A translated function.</summary>
/// <param name="Name">Its name in the generated source.</param>
/// <param name="Written">For each parameter, whether the function stores through it.</param>
internal sealed record FunctionResult(string Name, IReadOnlyList<bool> Written);
