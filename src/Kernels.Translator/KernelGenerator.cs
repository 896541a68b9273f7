using System.Text;
using CoInference.Kernels.Translator.Targets;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace CoInference.Kernels.Translator;

/// <summary>
/// Translates every method marked <c>[Kernel]</c> into OpenCL C 1.2 and CUDA C++ while the project is compiled, and writes the
/// catalog of them. What is outside the dialect is a compile-time error.
/// </summary>
[Generator]
public sealed class KernelGenerator : IIncrementalGenerator
{
    private const string Attribute = "CoInference.Kernels.Gpu.Dialect.KernelAttribute";

    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        IncrementalValuesProvider<KernelModel> kernels = context.SyntaxProvider.ForAttributeWithMetadataName(
            Attribute, static (_, _) => true, static (kernel, cancellation) => Translate(kernel, cancellation));
        context.RegisterSourceOutput(kernels.Collect(), static (output, models) =>
        {
            foreach (Diagnostic error in models.SelectMany(model => model.Errors.Items)) output.ReportDiagnostic(error);
            if (models.Length > 0) output.AddSource("KernelCatalog.g.cs", SourceText.From(CatalogWriter.Write(models), Encoding.UTF8));
        });
    }

    private static KernelModel Translate(GeneratorAttributeSyntaxContext context, CancellationToken cancellation)
    {
        var method = (IMethodSymbol)context.TargetSymbol;
        string name = $"{method.ContainingType.Name}_{method.Name}";
        AttributeData attribute = context.Attributes[0];
        (int X, int Y, int Z) group = (Number(attribute, "GroupX"), Number(attribute, "GroupY"), Number(attribute, "GroupZ"));
        if (group.X > 0) group = (group.X, System.Math.Max(1, group.Y), System.Math.Max(1, group.Z));
        bool mayAlias = attribute.NamedArguments.Any(argument => argument is { Key: "MayAlias", Value.Value: true });
        var options = new KernelOptions(group, mayAlias, Number(attribute, "MaxThreads"), Number(attribute, "MinGroups"));

        var errors = new List<Diagnostic>(CheckSignature(method, context.TargetNode));
        string openCl = "", cuda = "", sharedBytes = "0L";
        bool usesWarps = false;
        if (errors.Count == 0)
        {
            var translations = new[] { TargetSyntax.OpenCl, TargetSyntax.Cuda }.Select(target =>
            {
                cancellation.ThrowIfCancellationRequested();
                var translation = new KernelTranslation(context.SemanticModel.Compilation, target);
                string text = "";
                try
                {
                    text = translation.Translate(method, name, options);
                }
                catch (DialectException exception)
                {
                    translation.Report(exception.Diagnostic);
                }

                return (Text: text, Translation: translation);
            }).ToArray();
            openCl = translations[0].Text;
            cuda = translations[1].Text;
            sharedBytes = translations[0].Translation.SharedBytes;
            usesWarps = translations[0].Translation.UsesWarps;
            foreach (Diagnostic error in translations.SelectMany(translation => translation.Translation.Errors))
            {
                if (!errors.Exists(known => known.Id == error.Id && known.Location.Equals(error.Location))) errors.Add(error);
            }
        }

        return new KernelModel(
            name,
            method.ContainingType.ToDisplayString(SymbolDisplayFormat.FullyQualifiedFormat),
            method.Name,
            new EquatableList<ParameterModel>([.. method.Parameters.Select(Parameter)]),
            group,
            openCl,
            cuda,
            sharedBytes,
            usesWarps,
            new EquatableList<Diagnostic>(errors));
    }

    private static int Number(AttributeData attribute, string name) =>
        attribute.NamedArguments.FirstOrDefault(argument => argument.Key == name).Value.Value as int? ?? 0;

    private static ParameterModel Parameter(IParameterSymbol parameter)
    {
        (ParameterKind kind, ITypeSymbol type) =
            FunctionTranslator.ElementOf(parameter.Type) is { } element ? (ParameterKind.View, element)
            : FunctionTranslator.SpecializedOf(parameter.Type) is { } value ? (ParameterKind.Specialized, value)
            : (ParameterKind.Scalar, parameter.Type);
        return new ParameterModel(parameter.Name, kind, type.ToDisplayString(SymbolDisplayFormat.FullyQualifiedFormat));
    }

    private static IEnumerable<Diagnostic> CheckSignature(IMethodSymbol method, SyntaxNode at)
    {
        string? wrong =
            !method.IsStatic || !method.ReturnsVoid ? "must be static and return void"
            : method.IsGenericMethod || method.ContainingType.IsGenericType ? "must not be generic; write one kernel for each element type"
            : method.ContainingType.ContainingType is not null ? "must be in a class that is not nested"
            : KernelTranslation.Body(method) is null ? "has no body"
            : method.Parameters.FirstOrDefault(parameter => FunctionTranslator.SpecializedOf(parameter.Type) is { } value && value.SpecialType != SpecialType.System_Int32) is { } specialized
                ? $"takes '{specialized.Name}', and only SpecializedValue<int> becomes a constant of the program"
            : null;
        if (wrong is not null) yield return Diagnostic.Create(DialectDiagnostics.Signature, at.GetLocation(), method.Name, wrong);
    }
}
