namespace CoInference.Cli;

/// <summary>A command line that parses but makes no sense; ends the process with <see cref="ExitCode.Usage"/>.</summary>
internal sealed class UsageException(string message) : Exception(message);
