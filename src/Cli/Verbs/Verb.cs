using System.Globalization;
using System.Text;
using System.Text.Json.Serialization.Metadata;
using CoInference.Cli.Rendering;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Ilgpu;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Plans;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>
/// One verb: its options and what it does with them. A verb reads options, calls the library and renders a result that a
/// library user could get too.
/// </summary>
internal abstract class Verb
{
    /// <summary>What <c>--precise</c> does.</summary>
    protected const string PreciseHelp = "Leave out Winograd kernels, whose rounding error is larger than that of plain summation.";

    /// <summary>Whether progress and messages are suppressed.</summary>
    [Option("quiet", HelpText = "No progress and no messages; errors still go to stderr.")]
    public bool Quiet { get; set; }

    /// <summary>Where the JSON result goes.</summary>
    [Option("json", MetaValue = "FILE", HelpText = "Also write the result as JSON; '-' writes it to stdout instead of the table.")]
    public string? Json { get; set; }

    /// <summary>Whether stdout is taken by the JSON result.</summary>
    protected bool JsonOnStdout => Json == "-";

    /// <summary>Writes the JSON form where <c>--json</c> asks for it; to a file under a temporary name first.</summary>
    protected void WriteJson<T>(Terminal terminal, T result, JsonTypeInfo<T> type)
    {
        if (Json is not null) WriteJson(terminal, SchemaFile.Serialize(result, type));
    }

    /// <summary>As above for a result that the library has serialized.</summary>
    protected void WriteJson(Terminal terminal, byte[] json)
    {
        if (Json is null) return;
        if (JsonOnStdout) terminal.Line(Encoding.UTF8.GetString(json).TrimEnd());
        else AtomicFile.WriteBytes(Json, json);
    }

    /// <summary>Compares a result with the bars that <c>--max-ms</c> and <c>--min-top1</c> ask for.</summary>
    /// <returns><see cref="ExitCode.Done"/> or <see cref="ExitCode.BarMissed"/>.</returns>
    protected static int Bar(Terminal terminal, double milliseconds, double? maxMs, double top1, double? minTop1)
    {
        if (milliseconds > maxMs) terminal.Error(string.Create(CultureInfo.InvariantCulture, $"median latency {milliseconds:F3} ms is above --max-ms {maxMs}"));
        if (top1 < minTop1) terminal.Error(string.Create(CultureInfo.InvariantCulture, $"top-1 accuracy {top1:F4} is below --min-top1 {minTop1}"));
        return milliseconds > maxMs || top1 < minTop1 ? ExitCode.BarMissed : ExitCode.Done;
    }

    /// <summary>Does the job.</summary>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public abstract Task<int> RunAsync(Terminal terminal, CancellationToken cancellation);
}

/// <summary>Options of verbs that run networks or layers.</summary>
internal abstract class DeviceVerb : Verb
{
    /// <summary>Execution device.</summary>
    [Option("device", Default = "cpu", MetaValue = "ID", HelpText = "Device that runs the kernels; 'coinference devices' lists them.")]
    public string Device { get; set; } = "cpu";

    /// <summary>Whether the CPU may help out.</summary>
    [Option("strict", HelpText = "Fail when --device has no kernel for a layer; without it that layer runs on the CPU, and 'profile' shows where.")]
    public bool Strict { get; set; }

    /// <summary>Whether kernels with a larger rounding error are left out.</summary>
    [Option("precise", HelpText = PreciseHelp)]
    public bool Precise { get; set; }

    /// <summary>To what factors may be rounded.</summary>
    [Option("precision", Default = "fp32", MetaValue = "P", HelpText = "To what a --device may round the factors of convolutions, for tensor cores: fp32 (not at all), tf32, bf16 or fp16 ('kernels' takes a list). Sums are fp32 always.")]
    public string Precision { get; set; } = "fp32";

    /// <summary>Whether anything runs on a device other than the CPU.</summary>
    protected virtual bool UsesDevice => Device != "cpu";

    /// <summary>Reads <c>--precision</c>.</summary>
    /// <exception cref="UsageException">It is none of the four, or asks the CPU or precise kernels for rounding.</exception>
    protected ProductPrecision CheckPrecision() => CheckPrecision(Precision);

    /// <summary>The precision of a name.</summary>
    /// <exception cref="UsageException">There is no such precision, or the CPU or precise kernels are asked for rounding.</exception>
    protected ProductPrecision CheckPrecision(string name)
    {
        ProductPrecision precision = ParsePrecision(name);
        if (precision == ProductPrecision.Float32) return precision;
        if (!UsesDevice) throw new UsageException($"--precision {name}: kernels of the CPU do not round; it needs another --device.");
        if (Precise) throw new UsageException($"--precision {name}: --precise leaves out the kernels that round.");
        return precision;
    }

    private static ProductPrecision ParsePrecision(string name) => name switch
    {
        "fp32" => ProductPrecision.Float32,
        "tf32" => ProductPrecision.Tf32,
        "bf16" => ProductPrecision.BFloat16,
        "fp16" => ProductPrecision.Float16,
        _ => throw new UsageException($"--precision {name}: expected fp32, tf32, bf16 or fp16."),
    };

    /// <summary>Opens the device of <c>--device</c>.</summary>
    /// <returns>null for the CPU.</returns>
    /// <exception cref="UsageException">There is no such device.</exception>
    protected ComputeDevice? OpenDevice() => OpenDevice("device", Device);

    /// <summary>Opens a device.</summary>
    /// <param name="option">The option that names it.</param>
    /// <param name="id">Its id.</param>
    /// <returns>null for the CPU.</returns>
    /// <exception cref="UsageException">There is no such device.</exception>
    protected static ComputeDevice? OpenDevice(string option, string id)
    {
        if (id == "cpu") return null;
        try
        {
            return id.StartsWith("ilgpu:", StringComparison.Ordinal) ? IlgpuDevices.Open(id) : ComputeDevices.Open(id, ProgramCache.Default);
        }
        catch (ArgumentException unknown)
        {
            throw new UsageException($"--{option} {id}: {unknown.Message}");
        }
    }
}

/// <summary>Options of verbs that run kernels on a number of threads.</summary>
internal abstract class ComputeVerb : DeviceVerb
{
    /// <summary>Threads per inference.</summary>
    [Option("threads", Default = 1, MetaValue = "N", HelpText = "Threads one inference may use.")]
    public int Threads { get; set; } = 1;

    /// <summary>Seed of everything random.</summary>
    [Option("seed", Default = 0, MetaValue = "N", HelpText = "Seed of everything random.")]
    public int Seed { get; set; }

    /// <summary>Checks the options shared by these verbs.</summary>
    /// <exception cref="UsageException">The thread count is out of range, or --strict makes no sense.</exception>
    protected void CheckCompute()
    {
        if (Strict && Device == "cpu") throw new UsageException("--strict needs a --device other than cpu.");
        if (Threads is < 1 or > 256) throw new UsageException($"--threads {Threads}: expected 1 to 256.");
    }
}
