namespace CoInference.Kernels.Gpu;

/// <summary>What a kernel's parameter is.</summary>
public enum KernelParameterKind
{
    /// <summary>A view of device memory.</summary>
    View,

    /// <summary>A number or struct, passed by value.</summary>
    Scalar,

    /// <summary>An integer that is a constant of the compiled program.</summary>
    Specialized,
}

/// <summary>A parameter of a kernel.</summary>
/// <param name="Name">Name in C#.</param>
/// <param name="Kind">What it is.</param>
public sealed record KernelParameter(string Name, KernelParameterKind Kind);

/// <summary>Languages that kernels are translated to.</summary>
public enum KernelLanguage
{
    /// <summary>OpenCL C 1.2.</summary>
    OpenCl,

    /// <summary>CUDA C++ for NVRTC.</summary>
    Cuda,
}

/// <summary>Bytes of shared memory for given values of the specialized parameters.</summary>
internal delegate long SharedMemorySize(ReadOnlySpan<int> specialized);

/// <summary>A kernel written once in C#, with its translations.</summary>
/// <remarks>
/// In the translations a view is three parameters: the buffer, the offset of the view in it and its length, both in elements. A
/// specialized parameter is none: it is a macro that the program is compiled with.
/// </remarks>
public sealed class KernelSource
{
    private readonly string _openCl;
    private readonly string _cuda;

    private readonly SharedMemorySize _sharedBytes;

    internal KernelSource(
        string name, string className, string method, KernelParameter[] parameters, (int X, int Y, int Z) group, SharedMemorySize sharedBytes, bool usesWarps, string openCl, string cuda)
    {
        Name = name;
        ClassName = className;
        Method = method;
        Parameters = parameters;
        Group = group;
        _sharedBytes = sharedBytes;
        UsesWarps = usesWarps;
        _openCl = openCl;
        _cuda = cuda;
    }

    /// <summary>All kernels by name.</summary>
    public static IReadOnlyList<KernelSource> All => KernelCatalog.All;

    /// <summary>Name of the entry point: class and method, joined by an underscore.</summary>
    public string Name { get; }

    /// <summary>Full name of the class that holds the C#.</summary>
    public string ClassName { get; }

    /// <summary>Name of the method in C#.</summary>
    public string Method { get; }

    /// <summary>Parameters in the order of the C# method.</summary>
    public IReadOnlyList<KernelParameter> Parameters { get; }

    /// <summary>Threads of a group along x, y and z; 0 when the launch decides.</summary>
    public (int X, int Y, int Z) Group { get; }

    /// <summary>Whether its threads exchange values within a warp; only for devices with <see cref="DeviceLimits.HasWarps"/>.</summary>
    public bool UsesWarps { get; }

    /// <summary>Names of the specialized parameters, in order.</summary>
    public IEnumerable<string> Specialized => Parameters.Where(parameter => parameter.Kind == KernelParameterKind.Specialized).Select(parameter => parameter.Name);

    /// <summary>The translation, a whole program of one kernel.</summary>
    public string Text(KernelLanguage language) => $"{KernelCatalog.Prelude(language)}\n{(language == KernelLanguage.OpenCl ? _openCl : _cuda)}";

    /// <summary>Shared memory of a group in bytes.</summary>
    /// <param name="specialized">Values of the specialized parameters, in order.</param>
    public long SharedBytes(ReadOnlySpan<int> specialized) => _sharedBytes(specialized);

    /// <summary>The macro that stands for a specialized parameter in translations.</summary>
    public static string Macro(string parameter) => $"SPECIALIZED_{parameter}";

    /// <summary>The name.</summary>
    public override string ToString() => Name;
}
