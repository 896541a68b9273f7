using System.Globalization;
using System.Net;
using System.Text;
using CoInference.Agent.Baselines;
using CoInference.Agent.Search;

namespace CoInference.Cli.Rendering;

/// <summary>A search report as one HTML file without scripts or outside references.</summary>
internal static class HtmlReport
{
    private const string Style = """
        :root { color-scheme: light dark; --ink: #1c2330; --soft: #667085; --line: #d7dce5; --back: #ffffff; --mark: #f1f5ff;
          --c0: #2f6fde; --c1: #8b5cf6; --c2: #e08a1e; --c3: #14a38b; --c4: #c2415b; --c5: #64748b; --c6: #b59f00; --c7: #7c4a2d; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #353c49; --back: #14181f; --mark: #1e2836;
          --c0: #6ea0ff; --c1: #b195ff; --c2: #f2b25c; --c3: #4fd1b8; --c4: #f08098; --c5: #a3afc0; --c6: #e0cf4a; --c7: #c99873; } }
        body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
        h1 { font-size: 1.6rem; margin-bottom: .3rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
        .headline { font-size: 1.1rem; } dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; } dt { color: var(--soft); } dd { margin: 0; }
        .scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; } th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
        th { color: var(--soft); font-weight: 600; } .n { text-align: right; font-variant-numeric: tabular-nums; } tr.plan { background: var(--mark); font-weight: 600; }
        svg { width: 100%; height: auto; margin-top: .5rem; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .label { fill: var(--soft); } svg .strong { font-weight: 700; } svg .title { font-size: 13px; font-weight: 600; } svg .grid { stroke: var(--line); }
        .emulated { display: inline-block; border: 1px solid var(--c2); color: var(--c2); border-radius: 4px; padding: 0 .4rem; font-size: .8rem; }
        """;

    /// <summary>Renders the report.</summary>
    public static string Render(SearchReport report)
    {
        StringBuilder page = new StringBuilder().Append("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>")
            .Append(Escape($"{report.Model.Name} - CoInference")).Append("</title><style>").Append(Style).Append("</style></head><body>");
        page.Append("<h1>").Append(Escape(report.Model.Name)).Append("</h1>");
        if (report.Slowdown > 1) page.Append(Invariant($"<span class=\"emulated\">device emulated {report.Slowdown:0.##}x slower</span>"));
        page.Append("<p class=\"headline\">").Append(Escape(ReportRows.Headline(report))).Append("</p><dl>");
        foreach ((string name, string value) in ReportRows.Facts(report)) page.Append("<dt>").Append(Escape(name)).Append("</dt><dd>").Append(Escape(value)).Append("</dd>");
        page.Append("</dl>");

        Heading(page, "Plan and baselines");
        Table(page, ReportRows.Columns, ReportRows.Results(report).Select(ReportRows.Cells), firstIsPlan: true);
        page.Append(SvgChart.StackedBars("Latency by part", "ms", ReportRows.Parts, [.. Bars(report)]));

        Heading(page, "Accuracy against latency");
        page.Append(SvgChart.Scatter("All episodes, with the Pareto front", "predicted ms", "top-1 % on the judging images", [.. EpisodeSeries(report)]));

        Heading(page, "Search progress");
        page.Append(SvgChart.Scatter("Reward by episode, and the best so far", "episode", "reward", [.. Progress(report)]));
        Table(page, ["decider", ">episodes", "cut at", ">reward", ">top-1 %", ">predicted ms"], report.Deciders.Select(decider => new[]
        {
            decider.Decider, Invariant($"{decider.Episodes}"), decider.Cut, Invariant($"{decider.Reward:F4}"), ReportRows.Percent(decider.Accuracy), Invariant($"{decider.LatencyMs:F2}"),
        }));

        Heading(page, "Sparsity of the plan");
        Table(page, ["group", ">sparsity", ">kept", ">channels"], report.Plan.Groups.Select(group => new[]
        {
            group.Group, Invariant($"{group.Sparsity:F2}"), Invariant($"{group.KeptChannels}"), Invariant($"{group.Channels}"),
        }));

        Heading(page, "Cuts");
        Table(page, ["cut at", "status", ">minimum ms", ">uncompressed ms", "why"], report.Cuts.Select(cut => new[]
        {
            cut.Cut, cut.Status.ToString().ToLowerInvariant(), Invariant($"{cut.MinimumMs:F2}"), Invariant($"{cut.UncompressedMs:F2}"), cut.Reason,
        }));

        Heading(page, "Notes");
        page.Append("<ul>");
        foreach (string note in report.Notes) page.Append("<li>").Append(Escape(note)).Append("</li>");
        foreach (BaselineResult baseline in report.Baselines.Where(baseline => baseline.Note.Length > 0))
            page.Append("<li>").Append(Escape($"{baseline.Name}: {baseline.Note}")).Append("</li>");
        return page.Append("</ul></body></html>\n").ToString();
    }

    private static IEnumerable<StackedBar> Bars(SearchReport report)
    {
        foreach (BaselineResult result in ReportRows.Results(report))
        {
            if ((result.Measured ?? result.Predicted) is { } time) yield return new StackedBar(result.Name, ReportRows.Split(time), result.Name == "plan");
        }
    }

    private static IEnumerable<ChartSeries> EpisodeSeries(SearchReport report)
    {
        foreach (IGrouping<string, EpisodeRecord> decider in report.Episodes.GroupBy(episode => episode.Decider))
            yield return new ChartSeries(decider.Key, [.. decider.Select(Point)]);
        yield return new ChartSeries("Pareto front", [.. report.ParetoFront.Select(index => Point(report.Episodes[index]))], Line: true, Radius: 0);
        if (report.PlanResult.Predicted is { } predicted)
            yield return new ChartSeries("plan", [new ChartPoint(predicted.TotalMs, 100 * report.PlanResult.Accuracy ?? 0, "plan, on all validation images")], Radius: 6);

        static ChartPoint Point(EpisodeRecord episode) => new(
            episode.LatencyMs, 100 * episode.Accuracy, Invariant($"{episode.Decider}, cut {episode.Cut}: {100 * episode.Accuracy:F2} % in {episode.LatencyMs:F2} ms, {episode.PayloadBytes:F0} bytes"));
    }

    private static IEnumerable<ChartSeries> Progress(SearchReport report)
    {
        foreach (IGrouping<string, EpisodeRecord> decider in report.Episodes.GroupBy(episode => episode.Decider))
        {
            double best = double.NegativeInfinity;
            var points = new List<ChartPoint>();
            var front = new List<ChartPoint>();
            foreach (EpisodeRecord episode in decider)
            {
                best = Math.Max(best, episode.Reward);
                points.Add(new ChartPoint(points.Count + 1, episode.Reward, Invariant($"{decider.Key}, episode {points.Count + 1}: reward {episode.Reward:F4}, cut {episode.Cut}")));
                front.Add(new ChartPoint(points.Count, best, ""));
            }

            yield return new ChartSeries(decider.Key, points, Radius: 2);
            yield return new ChartSeries($"{decider.Key}, best", front, Line: true, Radius: 0);
        }
    }

    private static void Heading(StringBuilder page, string text) => page.Append("<h2>").Append(Escape(text)).Append("</h2>");

    private static void Table(StringBuilder page, IReadOnlyList<string> columns, IEnumerable<string[]> rows, bool firstIsPlan = false)
    {
        page.Append("<div class=\"scroll\"><table><thead><tr>");
        foreach (string column in columns) page.Append(column.StartsWith('>') ? "<th class=\"n\">" : "<th>").Append(Escape(column.TrimStart('>'))).Append("</th>");
        page.Append("</tr></thead><tbody>");
        bool first = firstIsPlan;
        foreach (string[] row in rows)
        {
            page.Append(first ? "<tr class=\"plan\">" : "<tr>");
            first = false;
            for (int i = 0; i < row.Length; i++) page.Append(columns[i].StartsWith('>') ? "<td class=\"n\">" : "<td>").Append(Escape(row[i])).Append("</td>");
            page.Append("</tr>");
        }

        page.Append("</tbody></table></div>");
    }

    private static string Escape(string text) => WebUtility.HtmlEncode(text);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
