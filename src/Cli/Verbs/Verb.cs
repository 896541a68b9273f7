using CoInference.Cli.Rendering;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>
/// One verb: its options and what it does with them. A verb reads options, calls the library and renders a result that a
/// library user could get too.
/// </summary>
internal abstract class Verb
{
    /// <summary>Whether progress and messages are suppressed.</summary>
    [Option("quiet", HelpText = "No progress and no messages; errors still go to stderr.")]
    public bool Quiet { get; set; }

    /// <summary>Where the JSON result goes.</summary>
    [Option("json", MetaValue = "FILE", HelpText = "Also write the result as JSON; '-' writes it to stdout instead of the table.")]
    public string? Json { get; set; }

    /// <summary>Whether stdout is taken by the JSON result.</summary>
    protected bool JsonOnStdout => Json == "-";

    /// <summary>Does the job.</summary>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public abstract Task<int> RunAsync(Terminal terminal, CancellationToken cancellation);
}

/// <summary>Options of verbs that run kernels.</summary>
internal abstract class ComputeVerb : Verb
{
    /// <summary>Execution device.</summary>
    [Option("device", Default = "cpu", MetaValue = "ID", HelpText = "Device that runs the kernels; 'coinference devices' lists them.")]
    public string Device { get; set; } = "cpu";

    /// <summary>Threads per inference.</summary>
    [Option("threads", Default = 1, MetaValue = "N", HelpText = "Threads one inference may use.")]
    public int Threads { get; set; } = 1;

    /// <summary>Seed of everything random.</summary>
    [Option("seed", Default = 0, MetaValue = "N", HelpText = "Seed of everything random.")]
    public int Seed { get; set; }

    /// <summary>Checks the options shared by these verbs.</summary>
    /// <exception cref="UsageException">The device is unknown or the thread count out of range.</exception>
    protected void CheckCompute()
    {
        if (Device != "cpu")
            throw new UsageException($"--device {Device}: this build runs kernels on 'cpu' only ('coinference devices' lists what it found).");
        if (Threads is < 1 or > 256) throw new UsageException($"--threads {Threads}: expected 1 to 256.");
    }
}
