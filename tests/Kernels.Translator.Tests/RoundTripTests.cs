using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Dialect;
using CoInference.Kernels.Tests.Gpu;

namespace CoInference.Kernels.Translator.Tests;

/// <summary>Every kernel, of the library and of the constructs, goes through a compiler of each target language.</summary>
[Collection("devices")]
public sealed class RoundTripTests
{
    // Values of specialized parameters that fit together; what is not named is 1.
    private static readonly Dictionary<string, int> Sizes = new()
    {
        ["tileM"] = 32, ["tileN"] = 32, ["tileK"] = 8, ["regM"] = 4, ["regN"] = 4, ["four"] = Translations.Four, ["threads"] = 64, ["columns"] = 8, ["rows"] = 8,
    };

    public static TheoryData<string> Kernels => [.. KernelSource.All.Select(source => source.Name), .. ConstructNames];

    public static TheoryData<string, string> KernelsForClang
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (string architecture in new[] { "sm_70", "sm_80" })
            {
                foreach (string name in KernelSource.All.Select(source => source.Name).Concat(ConstructNames)) data.Add(architecture, name);
            }

            return data;
        }
    }

    private static IEnumerable<string> ConstructNames => typeof(Constructs.Constructs).GetMethods(BindingFlags.Public | BindingFlags.Static)
        .Where(method => method.GetCustomAttribute<KernelAttribute>() is not null)
        .Select(method => $"Constructs_{method.Name}");

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void OpenCl_compiles(string name)
    {
        ComputeDevice device = TestDevices.Get("opencl:0");
        KernelSource source = Find(name);
        Skip.If(source.UsesWarps && !device.Limits.HasWarps, "opencl:0 has no sub-groups");
        using DeviceKernel kernel = device.Load(source, Values(source));
        Assert.Same(source, kernel.Source);
    }

    [SkippableTheory]
    [MemberData(nameof(KernelsForClang))]
    public void Cuda_compiles_to_PTX(string architecture, string name)
    {
        KernelSource source = Find(name);
        string header = Path.Combine(AppContext.BaseDirectory, "ClangCuda", "builtins.h");
        int[] values = Values(source);
        string[] arguments =
        [
            "-x", "cuda", "--cuda-device-only", "-nocudainc", "-nocudalib", $"--cuda-gpu-arch={architecture}", "-std=c++17", "-O2", "-S", "-Werror", "-Wno-unknown-cuda-version",
            "-Wno-unused-command-line-argument", "-Wno-pass-failed", "-include", header, .. source.Specialized.Select((parameter, i) => $"-D{KernelSource.Macro(parameter)}={values[i].ToString(CultureInfo.InvariantCulture)}"),
            "-o", "-", "-",
        ];
        (int exitCode, string ptx, string errors) = RunClang(arguments, source.Text(KernelLanguage.Cuda));
        Assert.True(exitCode == 0, errors);
        Assert.Contains($".entry {source.Name}(", ptx, StringComparison.Ordinal);
        Assert.Contains($".target {architecture}", ptx, StringComparison.Ordinal);
    }

    [Fact]
    public void What_only_a_newer_device_has_is_behind_its_condition()
    {
        string text = Translations.Construct(nameof(Constructs.Constructs.PackedProducts)).Text(KernelLanguage.Cuda);
        Assert.Contains("#if __CUDA_ARCH__ >= 610\n    return __dp4a(first, second, sum);\n#else\n", text, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Warps_are_sub_groups_and_shuffles()
    {
        (IReadOnlyList<Microsoft.CodeAnalysis.Diagnostic> errors, string catalog) = Translations.Generate("""
            using CoInference.Kernels.Gpu.Dialect;
            internal static class Warps
            {
                [Kernel]
                public static void Sum(ArrayView<float> x, ArrayView<int> i)
                {
                    float sum = x[Group.IdxX];
                    for (int width = Warp.WarpSize / 2; width > 0; width /= 2) sum += Warp.ShuffleDown(sum, width);
                    if (Warp.LaneIdx == 0) x[0] = Warp.Shuffle(sum, 0);
                    i[Group.IdxX] = Warp.ShuffleXor(Warp.LaneIdx, 1);
                }
            }
            """);
        Assert.Empty(errors);
        Assert.Contains("sub_group_shuffle_down(sum, (uint)(width))", catalog, StringComparison.Ordinal);
        Assert.Contains("__shfl_down_sync(0xffffffff, sum, width)", catalog, StringComparison.Ordinal);
        Assert.Contains("true,", catalog, StringComparison.Ordinal);
    }

    private static KernelSource Find(string name) => KernelSource.All.FirstOrDefault(source => source.Name == name) ?? Translations.Construct(name["Constructs_".Length..]);

    private static int[] Values(KernelSource source) => [.. source.Specialized.Select(name => Sizes.GetValueOrDefault(name, 1))];

    private static (int ExitCode, string Output, string Errors) RunClang(string[] arguments, string source)
    {
        try
        {
            using Process clang = Process.Start(new ProcessStartInfo("clang++", arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
            Task<string> errors = clang.StandardError.ReadToEndAsync();
            Task<string> output = clang.StandardOutput.ReadToEndAsync();
            clang.StandardInput.Write(source);
            clang.StandardInput.Close();
            Task.WaitAll(errors, output);
            clang.WaitForExit();
            return (clang.ExitCode, output.Result, errors.Result);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new SkipException("clang++ is not installed (Debian: apt-get install clang)");
        }
    }
}
