namespace CoInference.Cli;

/// <summary>Exit codes of the command; documented in <c>docs/cli.md</c>.</summary>
internal static class ExitCode
{
    /// <summary>The verb did its job.</summary>
    public const int Done = 0;

    /// <summary>The verb failed; one line on stderr says why.</summary>
    public const int Failed = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>The job was done, but a bar that a flag asked for was missed.</summary>
    public const int BarMissed = 3;

    /// <summary>Cancelled by Ctrl-C.</summary>
    public const int Cancelled = 130;
}
