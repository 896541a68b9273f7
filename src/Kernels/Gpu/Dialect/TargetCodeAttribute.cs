namespace CoInference.Kernels.Gpu.Dialect;

/// <summary>Gives a function that kernels call a body of its own in one target language: an instruction that C# has no word for.</summary>
/// <remarks>
/// The body in C# stays the meaning of the function: it is what every other target, and a device without the instruction, runs. In the
/// code, parameters have their C# names, views are pointers to their first element, and statements are those of the language.
/// </remarks>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
internal sealed class TargetCodeAttribute : Attribute
{
    /// <summary>Gives the function a body.</summary>
    /// <param name="language">The target.</param>
    /// <param name="code">Statements between the braces of the function.</param>
    public TargetCodeAttribute(KernelLanguage language, string code) => (Language, Code) = (language, code);

    /// <summary>The target.</summary>
    public KernelLanguage Language { get; }

    /// <summary>Statements between the braces of the function.</summary>
    public string Code { get; }

    /// <summary>When the code can be compiled, as a condition of the target's preprocessor: <c>__CUDA_ARCH__ >= 800</c>. Empty for always.</summary>
    public string Condition { get; set; } = "";
}
