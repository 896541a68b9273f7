using System.Diagnostics;
using System.Reflection;

namespace CoInference.Tests;

/// <summary>
/// Re-runs a static check of this assembly in a child process under a narrower instruction set, because the runtime
/// decides once per process which vectors are accelerated.
/// </summary>
public static class InstructionSets
{
    /// <summary>Names for a theory: every setting, widest first.</summary>
    public static TheoryData<string> Settings => new("avx512", "avx2", "sse", "scalar");

    /// <summary>Runs <paramref name="check"/>, a public static method without parameters, under <paramref name="setting"/>.</summary>
    public static string Run(Action check, string setting)
    {
        MethodInfo method = check.Method;
        Assert.True(method.IsStatic && method.IsPublic, $"{method} must be public and static to run in a child process.");
        var start = new ProcessStartInfo(Environment.ProcessPath ?? "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.FileName = "dotnet";
        start.ArgumentList.Add("exec");
        start.ArgumentList.Add(typeof(InstructionSets).Assembly.Location);
        start.ArgumentList.Add(method.DeclaringType!.FullName!);
        start.ArgumentList.Add(method.Name);
        if (setting is "avx2" or "sse" or "scalar") start.Environment["DOTNET_EnableAVX512"] = start.Environment["DOTNET_EnableAVX512F"] = "0";
        if (setting is "sse" or "scalar") start.Environment["DOTNET_EnableAVX2"] = start.Environment["DOTNET_EnableAVX"] = "0";
        if (setting is "scalar") start.Environment["DOTNET_EnableHWIntrinsic"] = "0";
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{method.Name} failed under {setting}:\n{output}\n{errors.Result}");
        return output;
    }

    /// <summary>Entry point of the child process: type name, method name.</summary>
    public static int Main(string[] arguments)
    {
        try
        {
            typeof(InstructionSets).Assembly.GetType(arguments[0], throwOnError: true)!
                .GetMethod(arguments[1], BindingFlags.Public | BindingFlags.Static)!.Invoke(null, null);
            return 0;
        }
        catch (TargetInvocationException failure)
        {
            Console.Error.WriteLine(failure.InnerException);
            return 1;
        }
    }
}
