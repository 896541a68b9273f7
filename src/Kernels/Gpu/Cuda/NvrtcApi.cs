using System.Runtime.InteropServices;

namespace CoInference.Kernels.Gpu.Cuda;

/// <summary>The functions of NVRTC, NVIDIA's compiler library. Only programs that no cache has need it.</summary>
internal sealed unsafe class NvrtcApi
{
    /// <summary>Environment variable with the path of the library, for machines that have it in a place of its own.</summary>
    public const string PathVariable = "COINFERENCE_NVRTC";

    public readonly delegate* unmanaged<int*, int*, int> Version;
    public readonly delegate* unmanaged<int, byte*> GetErrorString;
    public readonly delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int> CreateProgram;
    public readonly delegate* unmanaged<nint*, int> DestroyProgram;
    public readonly delegate* unmanaged<nint, int, byte**, int> CompileProgram;
    public readonly delegate* unmanaged<nint, nuint*, int> GetProgramLogSize;
    public readonly delegate* unmanaged<nint, byte*, int> GetProgramLog;
    public readonly delegate* unmanaged<nint, nuint*, int> GetPtxSize;
    public readonly delegate* unmanaged<nint, byte*, int> GetPtx;
    public readonly delegate* unmanaged<nint, nuint*, int> GetCubinSize;
    public readonly delegate* unmanaged<nint, byte*, int> GetCubin;
    public readonly delegate* unmanaged<int*, int> GetNumSupportedArchs;
    public readonly delegate* unmanaged<int*, int> GetSupportedArchs;

    private static readonly Lazy<NvrtcApi?> Loaded = new(() => Candidates().Select(Load).FirstOrDefault(api => api is not null));

    private NvrtcApi(nint library)
    {
        Version = (delegate* unmanaged<int*, int*, int>)Export(library, "nvrtcVersion");
        GetErrorString = (delegate* unmanaged<int, byte*>)Export(library, "nvrtcGetErrorString");
        CreateProgram = (delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int>)Export(library, "nvrtcCreateProgram");
        DestroyProgram = (delegate* unmanaged<nint*, int>)Export(library, "nvrtcDestroyProgram");
        CompileProgram = (delegate* unmanaged<nint, int, byte**, int>)Export(library, "nvrtcCompileProgram");
        GetProgramLogSize = (delegate* unmanaged<nint, nuint*, int>)Export(library, "nvrtcGetProgramLogSize");
        GetProgramLog = (delegate* unmanaged<nint, byte*, int>)Export(library, "nvrtcGetProgramLog");
        GetPtxSize = (delegate* unmanaged<nint, nuint*, int>)Export(library, "nvrtcGetPTXSize");
        GetPtx = (delegate* unmanaged<nint, byte*, int>)Export(library, "nvrtcGetPTX");
        GetCubinSize = (delegate* unmanaged<nint, nuint*, int>)Export(library, "nvrtcGetCUBINSize");
        GetCubin = (delegate* unmanaged<nint, byte*, int>)Export(library, "nvrtcGetCUBIN");
        GetNumSupportedArchs = (delegate* unmanaged<int*, int>)Export(library, "nvrtcGetNumSupportedArchs");
        GetSupportedArchs = (delegate* unmanaged<int*, int>)Export(library, "nvrtcGetSupportedArchs");
    }

    /// <summary>The compiler; null on a machine without one, or with one older than CUDA 11.2.</summary>
    public static NvrtcApi? Instance => Loaded.Value;

    /// <summary>Loads the compiler by the name or path of its library.</summary>
    /// <returns>null when there is none, or it lacks a function.</returns>
    public static NvrtcApi? Load(string name)
    {
        if (!NativeLibrary.TryLoad(name, out nint library)) return null;
        try
        {
            return new NvrtcApi(library);
        }
        catch (EntryPointNotFoundException)
        {
            NativeLibrary.Free(library);
            return null;
        }
    }

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable(PathVariable) is { Length: > 0 } chosen) yield return chosen;
        string[] names = OperatingSystem.IsWindows()
            ? ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll", "nvrtc64_112_0.dll"]
            : ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so"];
        foreach (string name in names) yield return name;
        foreach (string root in new[] { Environment.GetEnvironmentVariable("CUDA_HOME"), Environment.GetEnvironmentVariable("CUDA_PATH"), "/usr/local/cuda" }.OfType<string>())
        {
            foreach (string name in names) yield return Path.Combine(root, OperatingSystem.IsWindows() ? "bin" : "lib64", name);
        }
    }

    private static nint Export(nint library, string name) => NativeLibrary.GetExport(library, name);
}
