using System.Globalization;
using CoInference.Cli.Rendering;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Profiling;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>
/// Times every kernel that can run one convolution or product and checks each against the scalar reference, checks all kernels of a
/// device, or times the stages of the feature codec.
/// </summary>
[Verb("kernels", HelpText = "Time every kernel that can run a convolution and show how good the pick is; check all kernels of a device; or time the feature codec.")]
internal sealed partial class KernelsVerb : ComputeVerb
{
    /// <summary>The layer.</summary>
    [Option("conv", SetName = "conv", MetaValue = "SHAPE", HelpText = "Layer as BATCHxCxHxW:OUTkKERNEL[sSTRIDE][pPAD][dDILATION][gGROUPS], e.g. 1x64x56x56:64k3s1p1.")]
    public string Conv { get; set; } = "";

    /// <summary>The feature.</summary>
    [Option("codec", SetName = "codec", MetaValue = "CxHxW", HelpText = "Time the feature codec instead, on a generated feature, e.g. 64x32x32: every stage against a copy of the same floats. With --device, the stages of that device against a copy there.")]
    public string Codec { get; set; } = "";

    /// <summary>Bits per symbol.</summary>
    [Option("bits", Default = "8,4,2", SetName = "codec", MetaValue = "LIST", HelpText = "With --codec: bits per symbol, each 1 to 8.")]
    public string Bits { get; set; } = "8,4,2";

    /// <summary>Whether the dispatcher is judged over many layers.</summary>
    [Option("choice", SetName = "choice", HelpText = "Judge the choice of kernels instead: over a fixed set of layers, the speed of what is picked by estimate and after measuring, as a share of the fastest.")]
    public bool Choice { get; set; }

    /// <summary>Random layers.</summary>
    [Option("random", Default = 0, SetName = "choice", MetaValue = "N", HelpText = "With --choice: N random layers (--seed) instead of the fixed set.")]
    public int RandomLayers { get; set; }

    /// <summary>A kernel for devices.</summary>
    [Option("source", SetName = "source", MetaValue = "NAME", HelpText = "Print the generated source of a kernel for devices instead; 'all' lists the names.")]
    public string Source { get; set; } = "";

    /// <summary>Language of the source.</summary>
    [Option("target", Default = "opencl", SetName = "source", MetaValue = "LANGUAGE", HelpText = "With --source: opencl or cuda.")]
    public string Target { get; set; } = "opencl";

    /// <summary>Whether launches are timed.</summary>
    [Option("launches", SetName = "launches", HelpText = "Time what a launch costs the host instead, one by one and recorded; exit with 3 when it is 10 us or more, or allocates. Needs --device.")]
    public bool Launches { get; set; }

    /// <summary>Channel groups.</summary>
    [Option("groups", MetaValue = "G", HelpText = "Channel groups; overrides g in --conv.")]
    public int? Groups { get; set; }

    /// <summary>How the zeros are placed.</summary>
    [Option("form", Default = "dense", MetaValue = "FORM", HelpText = "Placement of zero weights: dense, channel (halves inputs and outputs at --sparsity 0.5), block, unstructured.")]
    public string Form { get; set; } = "dense";

    /// <summary>Share of zeros.</summary>
    [Option("sparsity", MetaValue = "S[,S...]", HelpText = "Share of zero weights or blocks, 0 to below 1. Several shares give a table each, and the break-even sparsity of block and unstructured.")]
    public string Sparsity { get; set; } = "0";

    /// <summary>Element type.</summary>
    [Option("dtype", Default = "f32", MetaValue = "TYPE", HelpText = "Element type: f32, or i8 for layers of 8-bit integers beside the float kernels of the same layer; every sum is compared with the integer reference.")]
    public string Type { get; set; } = "f32";

    /// <summary>Samples per kernel.</summary>
    [Option("rounds", Default = KernelComparison.DefaultRounds, MetaValue = "N", HelpText = "Samples per kernel, interleaved.")]
    public int Rounds { get; set; } = KernelComparison.DefaultRounds;

    /// <inheritdoc/>
    public override Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        CheckCompute();
        ProductPrecision[] precisions = [.. Precision.Split(',', StringSplitOptions.TrimEntries).Select(CheckPrecision)];
        if (Source.Length > 0) return Task.FromResult(PrintSource(terminal));
        if (Check == KernelNames) return Task.FromResult(ListKernels(terminal));
        if (Device != "cpu" && Choice) throw new UsageException($"--device {Device}: --choice judges kernels of the CPU.");
        if (Launches && Device == "cpu") throw new UsageException("--launches needs a --device other than cpu.");
        if (Gemm.Length > 0 || Check.Length > 0)
        {
            string option = Gemm.Length > 0 ? "--gemm" : "--check";
            RequireDeviceFor(option);
            if (Precision != "fp32")
                throw new UsageException($"--precision {Precision}: {(Gemm.Length > 0 ? "product kernels do not round their factors; a 1x1 layer (--conv) has kernels that do" : "--check runs the kernels of every precision")}.");
            return RunOnDeviceAsync(terminal, cancellation);
        }

        using ComputeDevice? device = OpenDevice();
        if (Launches) return Task.FromResult(TimeLaunches(terminal, device!, cancellation));
        if (Codec.Length > 0) return Task.FromResult(TimeCodec(terminal, device, cancellation));
        if (Choice) return JudgeAsync(terminal, cancellation);
        if (Conv.Length == 0) throw new UsageException("kernels needs --conv SHAPE, --gemm SHAPE, --check LIST, --codec CxHxW, --choice, --launches or --source NAME.");
        if (Type is not ("f32" or "i8")) throw new UsageException($"--dtype {Type}: expected f32 or i8.");
        ConvShape shape = ConvShape.Parse(Conv);
        if (Groups is { } groups) shape = ConvShape.Parse((shape with { Groups = groups }).ToString());
        double[] sparsities = ParseSparsities(Sparsity);
        if (Type == "i8") return Task.FromResult(CompareIntegers(terminal, shape, sparsities, device, precisions, cancellation));
        var runs = new List<(double Sparsity, KernelComparison Comparison)>();
        WeightForm form = WeightForm.Dense;
        foreach (double sparsity in sparsities)
        {
            ConvShape layer = shape;
            form = ParseForm(Form, sparsity, ref layer);
            runs.Add((sparsity, KernelComparison.Run(layer, form, form == WeightForm.Dense ? 0 : sparsity, Threads, Epilogue.Relu, null, Rounds, Precise, device, precisions, cancellation)));
        }

        double? breakEven = form != WeightForm.Dense && runs.Count > 1 ? KernelComparison.BreakEven(runs, form) : null;
        var result = new KernelRows(
            runs[0].Comparison.Shape.ToString(),
            runs.Max(run => run.Comparison.PickOverBest),
            breakEven,
            [.. runs.SelectMany(run => run.Comparison.Rows.Select(row => KernelRow.Of(row, run.Sparsity)))]);
        WriteJson(terminal, result, KernelRowsJson.Default.KernelRows);
        if (!JsonOnStdout) Write(terminal, runs, form, breakEven, sparsities.Max());
        KernelTiming[] wrong = [.. runs.SelectMany(run => run.Comparison.Rows).Where(row => !row.IsCorrect)];
        foreach (KernelTiming row in wrong) terminal.Error(OffReference(row.Kernel, row.MaxRelativeError, row.ErrorBound));
        return Task.FromResult(wrong.Length == 0 ? ExitCode.Done : ExitCode.Failed);
    }

    private void Write(Terminal terminal, List<(double Sparsity, KernelComparison Comparison)> runs, WeightForm form, double? breakEven, double sparsest)
    {
        foreach ((_, KernelComparison comparison) in runs) Write(terminal, comparison, form);
        if (form != WeightForm.Dense && runs.Count > 1)
        {
            terminal.Line(breakEven is { } share
                ? $"break-even: {Name(form)} is faster than the best dense kernel from sparsity {Number(share, "0.00")} on"
                : $"break-even: {Name(form)} is slower than the best dense kernel up to sparsity {Number(sparsest, "0.##")}");
        }
    }

    private int PrintSource(Terminal terminal)
    {
        KernelLanguage language = Target switch
        {
            "opencl" => KernelLanguage.OpenCl,
            "cuda" => KernelLanguage.Cuda,
            _ => throw new UsageException($"--target {Target}: expected opencl or cuda."),
        };
        if (Source == "all")
        {
            foreach (KernelSource known in KernelSource.All)
                terminal.Line($"{known.Name}({string.Join(", ", known.Parameters.Select(parameter => parameter.Name))})");
            return ExitCode.Done;
        }

        KernelSource source = KernelSource.All.FirstOrDefault(known => known.Name.Equals(Source, StringComparison.OrdinalIgnoreCase))
            ?? throw new UsageException($"--source {Source}: there is no such kernel; --source all lists them.");
        terminal.Line(source.Text(language));
        return ExitCode.Done;
    }

    private static double[] ParseSparsities(string text)
    {
        string[] parts = text.Split(',', StringSplitOptions.TrimEntries);
        var values = new double[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            if (!double.TryParse(parts[i], NumberStyles.Float, CultureInfo.InvariantCulture, out values[i]) || !(values[i] >= 0 && values[i] < 1))
                throw new UsageException($"--sparsity {text}: expected numbers from 0 to below 1, separated by commas.");
        }

        return values;
    }

    private void Write(Terminal terminal, KernelComparison comparison, WeightForm form)
    {
        var table = new ResultTable("kernel", "form", "tile", ">sparsity", ">median us", ">p10 us", ">p90 us", ">floor us", ">dense GFLOP/s", ">vs dense", ">max rel error", "pick");
        foreach (KernelTiming row in comparison.Rows)
        {
            table.Add(row.Kernel, Name(row.Form), row.Tile, Number(row.Sparsity, "0.##"), Number(row.MedianMicroseconds, "F1"), Number(row.P10Microseconds, "F1"),
                Number(row.P90Microseconds, "F1"), row.FloorMicroseconds is { } floor ? Number(floor, "F1") : "", Number(row.Gflops, "F1"), Number(row.VersusDense, "F2"), Number(row.MaxRelativeError, "0.0e0"), row.IsPicked ? "*" : "");
        }

        terminal.Line($"{comparison.Shape}, {(Device == "cpu" ? $"{Threads} thread(s)" : Device)}: {Number(comparison.Shape.MultiplyAdds / 1e6, "0.###")} M multiply-adds dense");
        terminal.Write(table);
        terminal.Line($"pick / best: {Number(comparison.PickOverBest, "F2")}");
        if (comparison.PeakGflops is { } peak)
        {
            terminal.Line($"floor: the multiply-adds that a kernel does at {Number(peak, "F1")} GFLOP/s a thread, measured in this run");
            if (form != WeightForm.Dense && comparison.FloorVersusDense(form) is { } limit)
                terminal.Line($"{Name(form)}: {Number(comparison.BestVersusDense(form), "F2")} times as fast as the best dense kernel, {Number(limit, "F2")} at its floor");
        }
    }

    private int CompareIntegers(
        Terminal terminal, ConvShape shape, double[] sparsities, ComputeDevice? device, IReadOnlyCollection<ProductPrecision> precisions, CancellationToken cancellation)
    {
        if (Form != "dense" || sparsities.Any(sparsity => sparsity > 0)) throw new UsageException("--dtype i8 times dense layers: no --form, no --sparsity.");
        if (Precise) throw new UsageException("--precise chooses between float kernels; those of --dtype i8 are exact.");
        IntegerComparison comparison = IntegerComparison.Run(shape, Threads, Rounds, device, precisions, cancellation);
        IntegerRows rows = IntegerRows.Of(comparison);
        WriteJson(terminal, rows, IntegerRowsJson.Default.IntegerRows);
        if (!JsonOnStdout)
        {
            terminal.Line($"{shape}, {(device is null ? $"{Threads} thread(s)" : Device)}: {Number(shape.MultiplyAdds / 1e6, "0.###")} M multiply-adds");
            terminal.Write(rows.ToTable());
        }

        IntegerTiming[] wrong = [.. comparison.Rows.Where(row => row.WrongSums > 0)];
        foreach (IntegerTiming row in wrong) terminal.Error($"{row.Kernel} has {row.WrongSums} sums that differ from the integer reference.");
        return wrong.Length == 0 ? ExitCode.Done : ExitCode.Failed;
    }

    private async Task<int> JudgeAsync(Terminal terminal, CancellationToken cancellation)
    {
        double[] sparsities = ParseSparsities(Sparsity);
        if (sparsities.Length != 1) throw new UsageException("--choice takes one --sparsity.");
        if (RandomLayers < 0) throw new UsageException($"--random {RandomLayers}: expected at least 0.");
        ConvShape any = ChoiceSurvey.Layers[0];
        WeightForm form = Form is "dense" or "block" or "unstructured" ? ParseForm(Form, sparsities[0], ref any) : throw new UsageException("--choice takes --form dense, block or unstructured.");
        ConvShape[] shapes = RandomLayers > 0 ? [.. ChoiceSurvey.Random(Seed, RandomLayers)] : [.. ChoiceSurvey.Layers];
        var choices = new List<KernelChoice>();
        await terminal.ProgressAsync("judge", update => Task.Run(
            () =>
            {
                foreach (ConvShape shape in shapes)
                {
                    choices.Add(ChoiceSurvey.Judge(shape, form, sparsities[0], Threads, Rounds, cancellation));
                    update((double)choices.Count / shapes.Length, $"{shape}");
                }

                return choices.Count;
            },
            cancellation));
        ChoiceRows rows = ChoiceRows.Of(choices, Threads);
        WriteJson(terminal, rows, ChoiceRowsJson.Default.ChoiceRows);
        if (!JsonOnStdout)
        {
            terminal.Write(rows.ToTable());
            terminal.Line(rows.Summary);
        }

        KernelChoice? wrong = choices.FirstOrDefault(choice => choice.WrongKernels.Count > 0);
        if (wrong is null) return ExitCode.Done;
        terminal.Error($"{string.Join(", ", wrong.WrongKernels)} on {wrong.Shape}: further from the reference than rounding explains.");
        return ExitCode.Failed;
    }

    private int TimeLaunches(Terminal terminal, ComputeDevice device, CancellationToken cancellation)
    {
        LaunchRows rows = LaunchRows.Measure(device, cancellation);
        WriteJson(terminal, rows, LaunchRowsJson.Default.LaunchRows);
        if (!JsonOnStdout)
        {
            terminal.Line($"{device.Description.Id} {device.Description.Name}: rounds of {LaunchOverhead.LaunchesPerRound} launches of a small kernel, host time of a launch");
            terminal.Write(rows.ToTable());
        }

        LaunchOverhead? slow = rows.Rows.FirstOrDefault(row => !row.MeetsBar);
        if (slow is null) return ExitCode.Done;
        terminal.Error(string.Create(CultureInfo.InvariantCulture, $"launches {slow.Way} take {slow.MedianUs:F2} us each and allocate {slow.AllocatedBytes} bytes; the bar is below {LaunchOverhead.BarUs} us and 0 bytes"));
        return ExitCode.BarMissed;
    }

    private int TimeCodec(Terminal terminal, ComputeDevice? device, CancellationToken cancellation)
    {
        if (Threads != 1) throw new UsageException("--codec times one thread.");
        CodecRows rows = CodecRows.Measure(Codec, Bits, Rounds, device, cancellation);
        WriteJson(terminal, rows, CodecRowsJson.Default.CodecRows);
        if (JsonOnStdout) return ExitCode.Done;
        terminal.Line($"{Codec} floats, {(device is null ? "1 thread" : Device)}; bytes read plus bytes written, each once");
        terminal.Write(rows.ToTable());
        return ExitCode.Done;
    }

    private static WeightForm ParseForm(string text, double sparsity, ref ConvShape shape)
    {
        switch (text)
        {
            case "dense":
                if (sparsity > 0) throw new UsageException("--sparsity needs --form channel, block or unstructured.");
                return WeightForm.Dense;
            case "channel":
                if (shape.Groups != 1) throw new UsageException("--form channel needs a layer with one group.");
                shape = shape with { InChannels = Kept(shape.InChannels, sparsity), OutChannels = Kept(shape.OutChannels, sparsity) };
                return WeightForm.Dense;
            case "block":
                return WeightForm.Block;
            case "unstructured":
                return WeightForm.Unstructured;
            default:
                throw new UsageException($"--form {text}: expected dense, channel, block or unstructured.");
        }
    }

    private static int Kept(int channels, double sparsity) => Math.Max(1, (int)Math.Round(channels * (1 - sparsity)));

    private static string Name(WeightForm form) => form.ToString().ToLowerInvariant();

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
