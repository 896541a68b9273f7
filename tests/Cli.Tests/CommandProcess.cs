using System.Diagnostics;

namespace CoInference.Cli.Tests;

/// <summary>Starts the command as a user does.</summary>
internal static class CommandProcess
{
    /// <summary>The network in the box.</summary>
    public static readonly string Network = Path.Combine(AppContext.BaseDirectory, "Assets", "shapes10.onnx");

    private static readonly string Library = Path.Combine(AppContext.BaseDirectory, "coinference.dll");

    /// <summary>Runs the command to its end.</summary>
    public static (int Code, string Output, string Error) Run(params string[] arguments) => Finish(Start(arguments));

    /// <summary>
    /// Runs the command to its end where no file may grow beyond a size: writing more fails as it does on a full disk.
    /// </summary>
    /// <param name="blocks">Limit in blocks of 512 bytes.</param>
    /// <param name="arguments">Arguments of the command.</param>
    public static (int Code, string Output, string Error) RunOnFullDisk(int blocks, params string[] arguments)
    {
        // Ignored, the signal that comes with the failing write does not end the process. The runtime's own double mapping of
        // code needs a large file in memory, which the limit forbids too.
        ProcessStartInfo start = Redirected("sh");
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
        foreach (string argument in new[] { "-c", $"trap '' XFSZ; ulimit -f {blocks}; exec dotnet exec \"$@\"", "sh", Library }.Concat(arguments)) start.ArgumentList.Add(argument);
        return Finish(Process.Start(start)!);
    }

    /// <summary>Starts the command.</summary>
    public static Process Start(params string[] arguments)
    {
        ProcessStartInfo start = Redirected("dotnet");
        foreach (string argument in new[] { "exec", Library }.Concat(arguments)) start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    /// <summary>Waits for a command that was started; disposes it.</summary>
    public static (int Code, string Output, string Error) Finish(Process process)
    {
        using (process)
        {
            Task<string> error = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, output, error.Result);
        }
    }

    private static ProcessStartInfo Redirected(string program) => new(program) { RedirectStandardOutput = true, RedirectStandardError = true };
}
