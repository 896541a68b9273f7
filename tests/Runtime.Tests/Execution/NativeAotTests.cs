using System.Diagnostics;

namespace CoInference.Runtime.Tests.Execution;

/// <summary>The library compiled ahead of time opens a device, builds kernels and runs ResNet-20 (tests/NativeAot).</summary>
[Collection("devices")]
public sealed class NativeAotTests
{
    [SkippableFact]
    [Trait("Category", "Slow")]
    public void A_native_program_runs_a_network_on_OpenCl()
    {
        Skip.IfNot(OperatingSystem.IsLinux() && System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.X64, "published for linux-x64 only");
        RealDevices.Get("opencl:0");
        string output = Path.Combine(Path.GetTempPath(), $"coinference-aot-{Environment.ProcessId}");
        try
        {
            (int exitCode, string text) = Run(
                "dotnet", "publish", Path.Combine(TestData.RepositoryRoot, "tests", "NativeAot"), "-c", "Release", "-r", "linux-x64", "-nologo", "-v", "q",
                "-p:CoInferenceFramework=net9.0", "--artifacts-path", output);
            Skip.If(text.Contains("error NU1", StringComparison.Ordinal), "the compiler package of .NET 9 cannot be restored here");
            Skip.If(text.Contains("Platform linker", StringComparison.Ordinal), "gcc is not installed");
            Assert.True(exitCode == 0, text);
            Assert.DoesNotContain("warning IL", text, StringComparison.Ordinal);
            string program = Directory.GetFiles(output, "CoInference.NativeAot", SearchOption.AllDirectories).Single(path => path.Contains("publish", StringComparison.Ordinal));
            (exitCode, text) = Run(program, "opencl:0");
            Assert.True(exitCode == 0, text);
            Assert.StartsWith("opencl:0 ", text, StringComparison.Ordinal);
            Assert.Contains("compiled at run time: False", text, StringComparison.Ordinal);
        }
        finally
        {
            if (Directory.Exists(output)) Directory.Delete(output, recursive: true);
        }
    }

    private static (int ExitCode, string Text) Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, text + errors.Result);
    }
}
