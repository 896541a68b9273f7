using Microsoft.CodeAnalysis;

namespace CoInference.Kernels.Translator;

/// <summary>What an attribute <c>[TargetCode]</c> says.</summary>
/// <param name="Language">Name of the target: <c>OpenCl</c> or <c>Cuda</c>.</param>
/// <param name="Code">Statements of the target's language.</param>
/// <param name="Condition">Condition of the preprocessor; empty for always.</param>
internal sealed record TargetCode(string Language, string Code, string Condition)
{
    /// <summary>The code as the body of a function.</summary>
    public string Indented => string.Concat(Code.Split('\n').Select(line => line.Trim('\r')).Where(line => line.Length > 0).Select(line => $"    {line}\n"));

    /// <summary>The attributes of a method, in their order.</summary>
    public static IEnumerable<TargetCode> Of(IMethodSymbol method)
    {
        foreach (AttributeData attribute in method.GetAttributes())
        {
            if (attribute.AttributeClass?.Name != "TargetCodeAttribute" || attribute.ConstructorArguments.Length != 2) continue;
            TypedConstant language = attribute.ConstructorArguments[0];
            string? name = language.Type?.GetMembers().OfType<IFieldSymbol>().FirstOrDefault(field => field.HasConstantValue && Equals(field.ConstantValue, language.Value))?.Name;
            string condition = attribute.NamedArguments.FirstOrDefault(argument => argument.Key == "Condition").Value.Value as string ?? "";
            if (name is not null && attribute.ConstructorArguments[1].Value is string code) yield return new TargetCode(name, code, condition);
        }
    }
}
