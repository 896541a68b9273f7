using CoInference.Agent.Search;
using CoInference.Cli.Rendering;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Renders the report of a search again.</summary>
[Verb("report", HelpText = "Show the report of a search; write it as Markdown and HTML.")]
internal sealed class ReportVerb : Verb
{
    /// <summary>Folder of a search.</summary>
    [Value(0, MetaName = "DIR", Required = true, HelpText = "Folder that 'coinference search' wrote.")]
    public string Folder { get; set; } = "";

    /// <inheritdoc/>
    public override Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        SearchReport report = SearchReport.Read(Path.Combine(Folder, SearchRunner.ReportFile));
        ReportFiles.Write(report, Folder);
        WriteJson(terminal, report.Serialize());
        if (!JsonOnStdout) ReportFiles.Show(terminal, report);
        terminal.Message($"wrote {Path.Combine(Folder, ReportFiles.Markdown)} and {Path.Combine(Folder, ReportFiles.Html)}");
        return Task.FromResult(ExitCode.Done);
    }
}
