using System.Globalization;
using System.Text;
using CoInference.Agent.Baselines;
using CoInference.Agent.Search;

namespace CoInference.Cli.Rendering;

/// <summary>A search report as GitHub-flavoured Markdown.</summary>
internal static class MarkdownReport
{
    /// <summary>Renders the report.</summary>
    public static string Render(SearchReport report)
    {
        StringBuilder text = new StringBuilder().Append("# ").AppendLine(report.Model.Name).AppendLine();
        text.AppendLine(ReportRows.Headline(report)).AppendLine();
        foreach ((string name, string value) in ReportRows.Facts(report)) text.Append("- **").Append(name).Append("**: ").AppendLine(Escape(value));
        text.AppendLine().AppendLine("## Plan and baselines").AppendLine();
        Table(text, ReportRows.Columns, ReportRows.Results(report).Select(ReportRows.Cells));
        foreach (BaselineResult baseline in report.Baselines.Where(baseline => baseline.Note.Length > 0))
            text.AppendLine().Append("- ").Append(Escape(baseline.Name)).Append(": ").AppendLine(Escape(baseline.Note));

        text.AppendLine().AppendLine("## Deciders").AppendLine();
        Table(text, ["decider", ">episodes", "cut at", ">reward", ">top-1 % (judging images)", ">predicted ms", "best is the uniform probe"], report.Deciders.Select(decider => new[]
        {
            decider.Decider, Invariant($"{decider.Episodes}"), decider.Cut, Invariant($"{decider.Reward:F4}"), ReportRows.Percent(decider.Accuracy), Invariant($"{decider.LatencyMs:F2}"), decider.BestIsProbe ? "yes" : "",
        }));

        text.AppendLine().AppendLine("## Sparsity of the plan").AppendLine();
        Table(text, ["group", "form", ">sparsity", ">kept", ">channels"], report.Plan.Groups.Select(group => new[]
        {
            group.Group, group.Form == Kernels.Registry.WeightForm.Dense ? "channel" : group.Form.ToString().ToLowerInvariant(), Invariant($"{group.Sparsity:F2}"), Invariant($"{group.KeptChannels}"), Invariant($"{group.Channels}"),
        }));

        text.AppendLine().AppendLine("## Cuts").AppendLine();
        Table(text, ["cut at", "status", ">minimum ms", ">uncompressed ms", "why"], report.Cuts.Select(cut => new[]
        {
            cut.Cut, cut.Status.ToString().ToLowerInvariant(), Invariant($"{cut.MinimumMs:F2}"), Invariant($"{cut.UncompressedMs:F2}"), cut.Reason,
        }));

        text.AppendLine().AppendLine("## Notes").AppendLine();
        foreach (string note in report.Notes) text.Append("- ").AppendLine(Escape(note));
        return text.ToString();
    }

    private static void Table(StringBuilder text, IReadOnlyList<string> columns, IEnumerable<string[]> rows)
    {
        text.Append("| ").AppendJoin(" | ", columns.Select(column => column.TrimStart('>'))).AppendLine(" |");
        text.Append('|').AppendJoin('|', columns.Select(column => column.StartsWith('>') ? "---:" : "---")).AppendLine("|");
        foreach (string[] row in rows) text.Append("| ").AppendJoin(" | ", row.Select(Escape)).AppendLine(" |");
    }

    private static string Escape(string text) => text.Replace("|", "\\|", StringComparison.Ordinal).ReplaceLineEndings(" ");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
