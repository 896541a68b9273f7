using CoInference.Agent.Baselines;
using CoInference.Agent.Search;
using CoInference.Runtime.Plans;

namespace CoInference.Cli.Rendering;

/// <summary>Shows a search report and writes its renderings beside the JSON.</summary>
internal static class ReportFiles
{
    /// <summary>Markdown rendering within the folder of a search.</summary>
    public const string Markdown = "report.md";

    /// <summary>HTML rendering within the folder of a search.</summary>
    public const string Html = "report.html";

    /// <summary>Writes the Markdown and the HTML form.</summary>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static void Write(SearchReport report, string folder)
    {
        AtomicFile.WriteText(Path.Combine(folder, Markdown), MarkdownReport.Render(report));
        AtomicFile.WriteText(Path.Combine(folder, Html), HtmlReport.Render(report));
    }

    /// <summary>Shows headline, facts and the comparison table.</summary>
    public static void Show(Terminal terminal, SearchReport report)
    {
        foreach ((string name, string value) in ReportRows.Facts(report)) terminal.Line($"{name,-11}{value}");
        var table = new ResultTable([.. ReportRows.Columns]);
        foreach (BaselineResult result in ReportRows.Results(report)) table.Add(ReportRows.Cells(result));
        terminal.Write(table);
        terminal.Line(ReportRows.Headline(report));
    }
}
