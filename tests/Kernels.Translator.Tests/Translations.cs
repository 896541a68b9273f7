using System.Reflection;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Translator.Targets;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace CoInference.Kernels.Translator.Tests;

/// <summary>Compiles sources with the dialect around them and translates their kernels.</summary>
internal static class Translations
{
    private static readonly CSharpParseOptions Options = new(LanguageVersion.Preview);
    private static readonly Lazy<MetadataReference[]> References = new(() =>
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(path => Path.GetFileName(path).StartsWith("System.", StringComparison.Ordinal))
            .Select(path => MetadataReference.CreateFromFile(path)),
        MetadataReference.CreateFromFile(typeof(KernelLanguage).Assembly.Location),
    ]);

    /// <summary>A compilation of the dialect and one more source.</summary>
    public static CSharpCompilation Compile(string source) => CSharpCompilation.Create(
        "Kernels",
        [
            CSharpSyntaxTree.ParseText("global using System; global using System.Linq; global using System.Collections.Generic; global using CoInference.Kernels.Gpu;", Options),
            .. Resources("Dialect/").Select(text => CSharpSyntaxTree.ParseText(text, Options)),
            CSharpSyntaxTree.ParseText(source, Options, path: "Source.cs"),
        ],
        References.Value,
        new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true, nullableContextOptions: NullableContextOptions.Enable));

    /// <summary>What the generator says about a source.</summary>
    public static (IReadOnlyList<Diagnostic> Errors, string Catalog) Generate(string source)
    {
        GeneratorDriver driver = CSharpGeneratorDriver.Create([new KernelGenerator().AsSourceGenerator()], parseOptions: Options);
        GeneratorDriverRunResult result = driver.RunGenerators(Compile(source)).GetRunResult();
        return (result.Diagnostics, result.GeneratedTrees.FirstOrDefault()?.ToString() ?? "");
    }

    /// <summary>A kernel of the constructs, translated.</summary>
    public static KernelSource Construct(string name)
    {
        CSharpCompilation compilation = Constructs.Value;
        INamedTypeSymbol type = compilation.GetTypeByMetadataName("CoInference.Kernels.Translator.Tests.Constructs.Constructs")!;
        var method = (IMethodSymbol)type.GetMembers(name).Single();
        int groupX = method.GetAttributes()[0].NamedArguments.FirstOrDefault(argument => argument.Key == "GroupX").Value.Value as int? ?? 0;
        (string openCl, string sharedBytes) = Translate(TargetSyntax.OpenCl);
        (string cuda, _) = Translate(TargetSyntax.Cuda);
        long bytes = Evaluate(sharedBytes);
        KernelParameter[] parameters = [.. method.Parameters.Select(parameter => new KernelParameter(parameter.Name,
            FunctionTranslator.ElementOf(parameter.Type) is not null ? KernelParameterKind.View
            : FunctionTranslator.SpecializedOf(parameter.Type) is not null ? KernelParameterKind.Specialized : KernelParameterKind.Scalar))];
        return new KernelSource($"Constructs_{name}", type.ToDisplayString(), name, parameters, (groupX, 1, 1), _ => bytes, false, openCl, cuda);

        (string Text, string SharedBytes) Translate(TargetSyntax target)
        {
            var translation = new KernelTranslation(compilation, target);
            string text = translation.Translate(method, $"Constructs_{name}", new KernelOptions((groupX, groupX > 0 ? 1 : 0, groupX > 0 ? 1 : 0), MayAlias: false, MaxThreads: 0, MinGroups: 0));
            Assert.Empty(translation.Errors);
            return (text, translation.SharedBytes);
        }
    }

    /// <summary>The value of the parameter <c>four</c> of every construct.</summary>
    public const int Four = 4;

    private static readonly Lazy<CSharpCompilation> Constructs = new(() =>
    {
        CSharpCompilation compilation = Compile(Resources("Constructs/").Single());
        Assert.DoesNotContain(compilation.GetDiagnostics(), diagnostic => diagnostic.Severity == DiagnosticSeverity.Error);
        return compilation;
    });

    // The expression as the catalog has it, compiled and run.
    private static long Evaluate(string expression)
    {
        CSharpCompilation compilation = CSharpCompilation.Create(
            "Size" + Guid.NewGuid().ToString("N"),
            [CSharpSyntaxTree.ParseText($"public static class Size {{ public static long Of(int[] specialized) => {expression}; }}", Options)],
            References.Value,
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary));
        using var assembly = new MemoryStream();
        Assert.Empty(compilation.Emit(assembly).Diagnostics);
        return (long)Assembly.Load(assembly.ToArray()).GetType("Size")!.GetMethod("Of")!.Invoke(null, [new[] { Four }])!;
    }

    private static IEnumerable<string> Resources(string prefix)
    {
        Assembly assembly = typeof(Translations).Assembly;
        foreach (string name in assembly.GetManifestResourceNames().Where(name => name.StartsWith(prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            yield return reader.ReadToEnd();
        }
    }
}
