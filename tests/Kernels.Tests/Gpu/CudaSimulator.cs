using System.Diagnostics;
using System.Runtime.InteropServices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Cuda;

namespace CoInference.Kernels.Tests.Gpu;

/// <summary>The simulated CUDA of tests/CudaSimulator, built once: driver and compiler whose device is the CPU.</summary>
internal static unsafe class CudaSimulator
{
    private static readonly Lazy<(string? Library, string Reason)> Built = new(Build);
    private static readonly Lazy<nint> Library = new(() => NativeLibrary.Load(Built.Value.Library!));

    /// <summary>The driver's functions; skips the test where no C++ compiler is installed.</summary>
    public static CudaApi Api
    {
        get
        {
            Require();
            return CudaApi.Load(Built.Value.Library!)!;
        }
    }

    /// <summary>The compiler's functions.</summary>
    public static NvrtcApi Compiler => NvrtcApi.Load(Built.Value.Library!)!;

    /// <summary>Opens the device.</summary>
    public static ComputeDevice Open(IProgramCache? cache = null) => CudaDevices.Open(Api, Compiler, 0, cache);

    /// <summary>Skips the test where the simulator cannot be built.</summary>
    public static void Require() => Skip.If(Built.Value.Library is null, Built.Value.Reason);

    /// <summary>Forgets errors, counts and limits.</summary>
    public static void Reset() => ((delegate* unmanaged<void>)Export("simulator_reset"))();

    /// <summary>Lets a call fail with a code, after it succeeded some times.</summary>
    public static void Fail(string call, int code, int after = 0)
    {
        nint name = Marshal.StringToCoTaskMemUTF8(call);
        ((delegate* unmanaged<nint, int, int, void>)Export("simulator_fail"))(name, code, after);
        Marshal.FreeCoTaskMem(name);
    }

    /// <summary>How often a function was called since the reset.</summary>
    public static int Calls(string call)
    {
        nint name = Marshal.StringToCoTaskMemUTF8(call);
        int count = ((delegate* unmanaged<nint, int>)Export("simulator_calls"))(name);
        Marshal.FreeCoTaskMem(name);
        return count;
    }

    /// <summary>Gives the device no more memory than it has handed out, and some bytes.</summary>
    public static void Limit(long bytes) => ((delegate* unmanaged<nuint, void>)Export("simulator_limit"))((nuint)bytes);

    private static nint Export(string name) => NativeLibrary.GetExport(Library.Value, name);

    private static (string? Library, string Reason) Build()
    {
        if (!OperatingSystem.IsLinux()) return (null, "the simulated CUDA is built on Linux only");
        string folder = Path.Combine(AppContext.BaseDirectory, "CudaSimulator");
        string output = Path.Combine(folder, "bin");
        try
        {
            using Process build = Process.Start(new ProcessStartInfo(Path.Combine(folder, "build.sh"), [output]) { RedirectStandardError = true })!;
            string errors = build.StandardError.ReadToEnd();
            build.WaitForExit();
            return build.ExitCode == 0 ? (Path.Combine(output, "libcuda.so.1"), "") : (null, $"the simulated CUDA cannot be built (Debian: apt-get install g++): {errors}");
        }
        catch (System.ComponentModel.Win32Exception failure)
        {
            return (null, $"the simulated CUDA cannot be built: {failure.Message}");
        }
    }
}
