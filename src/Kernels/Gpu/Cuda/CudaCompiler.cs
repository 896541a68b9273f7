using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace CoInference.Kernels.Gpu.Cuda;

/// <summary>Compiles kernels for one device with NVRTC, or finds them in a cache.</summary>
/// <param name="api">The compiler library; null when the machine has none.</param>
/// <param name="device">The device's id.</param>
/// <param name="capability">Compute capability times ten: 80 for 8.0.</param>
/// <param name="fingerprint">Identifies device and driver.</param>
/// <param name="cache">Where compiled programs are kept; may be null.</param>
internal sealed unsafe class CudaCompiler(NvrtcApi? api, string device, int capability, string fingerprint, IProgramCache? cache)
{
    /// <summary>The options that give specialized parameters their values.</summary>
    public static string[] Constants(KernelSource source, ReadOnlySpan<int> specialized)
    {
        var constants = new List<string>();
        foreach (string name in source.Specialized)
            constants.Add(string.Create(CultureInfo.InvariantCulture, $"--define-macro={KernelSource.Macro(name)}={specialized[constants.Count]}"));
        return [.. constants];
    }

    /// <summary>An image for the driver that was compiled before; null when there is none.</summary>
    public byte[]? Cached(KernelSource source, string[] constants) => cache?.Read(Key(source, constants)) is { Length: > 0 } image ? image : null;

    /// <summary>Compiles a kernel and keeps the image.</summary>
    /// <exception cref="DeviceException">There is no compiler, or the program does not compile.</exception>
    public byte[] Compile(KernelSource source, string[] constants)
    {
        if (api is null)
        {
            throw new DeviceException(
                device, DeviceFailure.Unsupported,
                $"kernel {source} must be compiled, and NVRTC (libnvrtc.so.13, .12 or .11.2) was not found; install it beside the driver, or set {NvrtcApi.PathVariable} to its path");
        }

        (string architecture, bool isBinary) = Architecture(api);
        string[] options = [$"--gpu-architecture={architecture}", "--std=c++14", "--fmad=false", .. constants];
        nint program;
        fixed (byte* text = Terminated(source.Text(KernelLanguage.Cuda)), name = Terminated(source.Name + ".cu"))
            Check(api, api.CreateProgram(&program, text, name, 0, null, null), "nvrtcCreateProgram", source.Name);
        try
        {
            int code = Run(api, program, options);
            if (code != 0) Check(api, code, "nvrtcCompileProgram", $"kernel {source} does not compile for {architecture}: {Log(api, program)}");
            byte[] image = isBinary ? Image(api, program, api.GetCubinSize, api.GetCubin, "nvrtcGetCUBIN") : Image(api, program, api.GetPtxSize, api.GetPtx, "nvrtcGetPTX");
            cache?.Write(Key(source, constants), image);
            return image;
        }
        finally
        {
            api.DestroyProgram(&program);
        }
    }

    private static byte[] Terminated(string text) => [.. Encoding.UTF8.GetBytes(text), 0];

    private string Key(KernelSource source, string[] constants) => $"{fingerprint}|{string.Join('|', constants)}|{source.Text(KernelLanguage.Cuda)}";

    // Machine code for a device that the compiler knows; for a newer one, the newest virtual machine code, which the driver translates.
    private (string Option, bool IsBinary) Architecture(NvrtcApi compiler)
    {
        int count;
        if (compiler.GetNumSupportedArchs(&count) != 0 || count < 1) return (Named("compute", capability), false);
        var known = new int[count];
        fixed (int* place = known)
        {
            if (compiler.GetSupportedArchs(place) != 0) return (Named("compute", capability), false);
        }

        if (known.Contains(capability)) return (Named("sm", capability), true);
        int newest = known.Where(architecture => architecture < capability).DefaultIfEmpty(0).Max();
        if (newest == 0)
        {
            throw new DeviceException(
                device, DeviceFailure.Unsupported,
                string.Create(CultureInfo.InvariantCulture, $"NVRTC compiles for compute capability {known.Min() / 10.0:F1} and later, and the device has {capability / 10.0:F1}"));
        }

        return (Named("compute", newest), false);
    }

    private static string Named(string kind, int architecture) => string.Create(CultureInfo.InvariantCulture, $"{kind}_{architecture}");

    private static int Run(NvrtcApi compiler, nint program, string[] options)
    {
        nint* pointers = stackalloc nint[options.Length];
        try
        {
            for (int i = 0; i < options.Length; i++) pointers[i] = Marshal.StringToCoTaskMemUTF8(options[i]);
            return compiler.CompileProgram(program, options.Length, (byte**)pointers);
        }
        finally
        {
            for (int i = 0; i < options.Length; i++) Marshal.FreeCoTaskMem(pointers[i]);
        }
    }

    private byte[] Image(NvrtcApi compiler, nint program, delegate* unmanaged<nint, nuint*, int> size, delegate* unmanaged<nint, byte*, int> read, string call)
    {
        nuint bytes;
        Check(compiler, size(program, &bytes), call + "Size", "no compiled program");
        var image = new byte[(int)bytes];
        fixed (byte* place = image) Check(compiler, read(program, place), call, "no compiled program");
        return image;
    }

    private static string Log(NvrtcApi compiler, nint program)
    {
        nuint size;
        if (compiler.GetProgramLogSize(program, &size) != 0 || size <= 1) return "no message";
        var bytes = new byte[(int)size];
        fixed (byte* place = bytes) compiler.GetProgramLog(program, place);
        return Encoding.UTF8.GetString(bytes).TrimEnd('\0').Trim();
    }

    private void Check(NvrtcApi compiler, int code, string call, string what)
    {
        if (code != 0) throw new DeviceException(device, CudaCode.CompilerFailure(code), call, code, $"{what}: {Marshal.PtrToStringUTF8((nint)compiler.GetErrorString(code))}");
    }
}
