using CoInference.Cli.Rendering;
using CommandLine;

namespace CoInference.Cli.Verbs;

[Verb("devices", HelpText = "List what can run here, with measured peaks.")]
internal sealed class DevicesVerb : Verb
{
    public override Task<int> RunAsync(Terminal terminal, CancellationToken cancellation) => Task.FromResult(ExitCode.Done);
}
