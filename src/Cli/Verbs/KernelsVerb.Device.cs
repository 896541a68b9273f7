using System.Globalization;
using CoInference.Cli.Rendering;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Runtime.DeviceChecks;
using CoInference.Runtime.Execution;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>What is about the kernels of a device alone: the check of all of them, and products.</summary>
internal sealed partial class KernelsVerb
{
    private const string AllKernels = "all", KernelNames = "names";

    /// <summary>Products.</summary>
    [Option("gemm", SetName = "gemm", MetaValue = "SHAPE", HelpText = "Time and check the matrix product kernels of a --device instead, with a bias per column: COUNTxROWSxCOLUMNSxDEPTH[:ta][:tb][:aN][:bN], e.g. 12x64x64x32:tb. ta and tb: the operand is stored transposed; a1, b1: one operand for all products of the stack.")]
    public string Gemm { get; set; } = "";

    /// <summary>Kernels to check.</summary>
    [Option("check", SetName = "check", MetaValue = "LIST", HelpText = "Run every kernel of a --device over a built-in set of odd shapes instead and compare it with the scalar reference: 'all', or names of kernels or their beginnings, e.g. conv.implicit,gemm; 'names' lists them.")]
    public string Check { get; set; } = "";

    private void RequireDeviceFor(string option)
    {
        if (Device == "cpu") throw new UsageException($"{option} needs a --device other than cpu.");
        if (Type != "f32") throw new UsageException($"--dtype {Type}: {option} takes f32 only.");
        if (Form != "dense" || Sparsity != "0" || Groups is not null) throw new UsageException($"{option} takes no --form, --sparsity or --groups: these describe a layer (--conv).");
    }

    private async Task<int> RunOnDeviceAsync(Terminal terminal, CancellationToken cancellation)
    {
        if (Gemm.Length > 0)
        {
            if (Rounds < 1) throw new UsageException($"--rounds {Rounds}: expected at least 1.");
            GemmShape shape = ParseProduct(Gemm);
            using ComputeDevice device = OpenDevice()!;
            return CompareProducts(terminal, device, shape, cancellation);
        }

        string[] beginnings = ParseBeginnings(Check);
        using ComputeDevice checkedDevice = OpenDevice()!;
        return await CheckKernelsAsync(terminal, checkedDevice, beginnings, cancellation).ConfigureAwait(false);
    }

    private static GemmShape ParseProduct(string text)
    {
        try
        {
            return GemmShape.Parse(text);
        }
        catch (FormatException failure)
        {
            throw new UsageException($"--gemm {text}: {failure.Message}");
        }
    }

    private static string[] ParseBeginnings(string list)
    {
        if (list == AllKernels) return [];
        string[] beginnings = list.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (beginnings.Length == 0) throw new UsageException($"--check {list}: expected all, names, or names of kernels separated by commas.");
        foreach (string text in beginnings)
        {
            if (!DeviceCheck.Has(text)) throw new UsageException($"--check {text}: no kernel's name is or begins with it; --check names lists them.");
        }

        return beginnings;
    }

    private int CompareProducts(Terminal terminal, ComputeDevice device, GemmShape shape, CancellationToken cancellation)
    {
        ProductComparison comparison = ProductComparison.Run(device, shape, Rounds, cancellation);
        ProductRows rows = ProductRows.Of(comparison, Device);
        WriteJson(terminal, rows, ProductRowsJson.Default.ProductRows);
        if (!JsonOnStdout)
        {
            terminal.Line($"{comparison.Shape}, {Device}: {Number(comparison.Shape.MultiplyAdds / 1e6, "0.###")} M multiply-adds");
            terminal.Write(rows.ToTable());
        }

        ProductTiming[] wrong = [.. comparison.Rows.Where(row => !row.IsCorrect)];
        foreach (ProductTiming row in wrong) terminal.Error(OffReference(row.Kernel, row.MaxRelativeError, row.ErrorBound));
        return wrong.Length == 0 ? ExitCode.Done : ExitCode.Failed;
    }

    private static int ListKernels(Terminal terminal)
    {
        foreach (string name in DeviceCheck.Names) terminal.Line(name);
        return ExitCode.Done;
    }

    private async Task<int> CheckKernelsAsync(Terminal terminal, ComputeDevice device, string[] beginnings, CancellationToken cancellation)
    {
        DeviceCheck check = await terminal.ProgressAsync("check", update => Task.Run(
            () => DeviceCheck.Run(device, beginnings, new ImmediateProgress<(int Done, int Total, string Kernel)>(progress => update((double)progress.Done / progress.Total, progress.Kernel)), cancellation),
            cancellation)).ConfigureAwait(false);
        DeviceCheckRows rows = DeviceCheckRows.Of(check);
        WriteJson(terminal, rows, DeviceCheckRowsJson.Default.DeviceCheckRows);
        if (!JsonOnStdout)
        {
            terminal.Line($"{device.Description.Id} {device.Description.Name}: difference from the scalar reference, relative to its largest magnitude, and as a share of what rounding explains");
            terminal.Write(rows.ToTable());
            int run = KernelSource.All.Count - check.ProgramsNotRun.Count;
            terminal.Line($"{check.Rows.Count(row => row.IsCorrect)} of {check.Rows.Count} kernels agree, in {check.Rows.Sum(row => row.Cases)} cases; {run} of the {KernelSource.All.Count} programs of this build ran");
        }

        foreach (CheckedKernel row in check.Rows.Where(row => !row.IsCorrect)) terminal.Error($"{row.Kernel}: {row.WrongCases} of {row.Cases} cases are wrong, the first of them {row.FirstWrong}");
        if (check.LeftOut.Count == 0 && check.ProgramsNotRun.Count > 0) terminal.Error($"no case ran {string.Join(", ", check.ProgramsNotRun)}");
        return check.IsCorrect ? ExitCode.Done : ExitCode.Failed;
    }

    private static string OffReference(string kernel, double error, double bound) =>
        string.Create(CultureInfo.InvariantCulture, $"{kernel} is off the reference by {error:0.0e0} of the largest output; rounding explains {bound:0.0e0}.");
}
