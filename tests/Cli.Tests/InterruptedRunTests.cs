using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace CoInference.Cli.Tests;

/// <summary>Long runs that end before their time: killed, cancelled, or without room on the disk.</summary>
public sealed class InterruptedRunTests : IDisposable
{
    private const int CancelledCode = 130;

    private readonly string _folder = Directory.CreateTempSubdirectory("coinference-interrupted").FullName;

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [SkippableTheory]
    [InlineData("KILL")]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task A_training_run_that_is_stopped_and_resumed_makes_the_very_same_network(string signal)
    {
        Skip.If(OperatingSystem.IsWindows(), "Signals are sent with kill.");
        Skip.If(signal == "INT" && IgnoresInterrupts(), "These tests were started with interrupts ignored, as a shell starts what runs in its background, and so is all that they start.");
        string whole = InFolder("whole.onnx"), resumed = InFolder("resumed.onnx"), checkpoint = InFolder("run.checkpoint");
        Assert.Equal(0, CommandProcess.Run(Training(whole)).Code);

        string[] interruptible = [.. Training(resumed), "--checkpoint", checkpoint, "--resume"];
        using (Process process = CommandProcess.Start(interruptible))
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
            while (!File.Exists(checkpoint) && !process.HasExited) Thread.Sleep(1);
            Process.Start("kill", [$"-{signal}", process.Id.ToString(CultureInfo.InvariantCulture)])!.WaitForExit();
            await process.WaitForExitAsync();
            Assert.NotEqual(0, process.ExitCode);
            if (signal != "KILL") Assert.Equal(CancelledCode, process.ExitCode);
            Assert.Equal("", await output);
            Assert.False(File.Exists(resumed), await error);
        }

        (int code, _, string message) = CommandProcess.Run(interruptible);
        Assert.Equal(0, code);
        Assert.Contains("resuming after", message, StringComparison.Ordinal);
        Assert.Equal(File.ReadAllBytes(whole), File.ReadAllBytes(resumed));
    }

    [SkippableFact]
    public void A_full_disk_ends_training_with_one_line_and_leaves_the_earlier_checkpoint()
    {
        Skip.If(OperatingSystem.IsWindows(), "The size of files is limited with ulimit.");
        string network = InFolder("net.onnx"), checkpoint = InFolder("run.checkpoint");
        string[] arguments = [.. Training(network), "--checkpoint", checkpoint, "--resume", "--quiet"];
        using (Process process = CommandProcess.Start(arguments))
        {
            while (!File.Exists(checkpoint) && !process.HasExited) Thread.Sleep(1);
            process.Kill();
            process.WaitForExit();
        }

        byte[] earlier = File.ReadAllBytes(checkpoint);
        (int code, string output, string error) = CommandProcess.RunOnFullDisk(blocks: 64, arguments);
        Assert.Equal((1, ""), (code, output));
        Assert.Single(error.TrimEnd().Split('\n'));
        Assert.Contains("run.checkpoint", error, StringComparison.Ordinal);
        Assert.Equal(earlier, File.ReadAllBytes(checkpoint));
        Assert.False(File.Exists(network));

        Assert.Equal(0, CommandProcess.Run(arguments).Code);
        Assert.True(File.Exists(network));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_ends_training_with_one_line()
    {
        File.WriteAllText(InFolder("occupied"), "a file where a folder is needed");
        (int code, string output, string error) = CommandProcess.Run([.. Training(Path.Combine(InFolder("occupied"), "net.onnx")), "--quiet"]);
        Assert.Equal((1, ""), (code, output));
        Assert.Single(error.TrimEnd().Split('\n'));
        Assert.Contains("net.onnx", error, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void A_search_that_is_killed_goes_on_with_the_next_episode()
    {
        Skip.If(OperatingSystem.IsWindows(), "Processes are killed without a chance to clean up.");
        string folder = InFolder("search"), journal = Path.Combine(folder, "search.json");
        // A budget that a busy host meets too: a search that finds no plan in time ends before its first episode.
        string[] arguments = ["search", CommandProcess.Network, "--data", "shapes10", "--link", "5mbps,rtt=2ms", "--budget", "1000ms", "--out", folder, "--episodes", "6",
            "--judge-images", "30", "--validation-images", "30", "--test-images", "30", "--calibration", "32"];
        using (Process process = CommandProcess.Start(arguments))
        {
            process.OutputDataReceived += static (_, _) => { };
            process.ErrorDataReceived += static (_, _) => { };
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
            while (!process.HasExited && (!File.Exists(journal) || Episodes(journal).Length < 2)) Thread.Sleep(1);
            process.Kill();
            process.WaitForExit();
        }

        string[] kept = Episodes(journal);
        Assert.InRange(kept.Length, 2, 6);
        Assert.Equal(0, CommandProcess.Run(arguments).Code);
        string[] all = Episodes(journal);
        Assert.Equal(6, all.Length);
        Assert.Equal(kept, all[..kept.Length]);
        Assert.True(File.Exists(Path.Combine(folder, "plan.json")));
    }

    private static bool IgnoresInterrupts()
    {
        const string Status = "/proc/self/status", Ignored = "SigIgn:";
        const ulong Interrupt = 1 << 1;
        return File.Exists(Status) && File.ReadLines(Status).Any(line => line.StartsWith(Ignored, StringComparison.Ordinal)
            && (ulong.Parse(line[Ignored.Length..], NumberStyles.HexNumber | NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture) & Interrupt) != 0);
    }

    private static string[] Episodes(string journal)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(journal));
        return [.. document.RootElement.GetProperty("episodes").EnumerateArray().Where(episode => episode.GetProperty("decider").GetString() == "ddpg").Select(episode => episode.GetRawText())];
    }

    private static string[] Training(string network) =>
        ["train", "resnet8", "--data", "shapes10", "--limit", "2048", "--epochs", "6", "--batch", "64", "--seed", "5", "--out", network];

    private string InFolder(string name) => Path.Combine(_folder, name);
}
