using System.Globalization;
using System.Text;
using CoInference.Agent.Baselines;
using CoInference.Agent.Search;

namespace CoInference.Cli.Rendering;

/// <summary>A search report as one HTML file without scripts or outside references.</summary>
internal static class HtmlReport
{
    /// <summary>Renders the report.</summary>
    public static string Render(SearchReport report)
    {
        StringBuilder page = HtmlPage.Open(
            report.Model.Name, report.Slowdown > 1 ? Invariant($"device emulated {report.Slowdown:0.##}x slower") : "", ReportRows.Headline(report), ReportRows.Facts(report));

        HtmlPage.Heading(page, "Plan and baselines");
        HtmlPage.Table(page, ReportRows.Columns, ReportRows.Results(report).Select(ReportRows.Cells), firstIsPlan: true);
        page.Append(SvgChart.StackedBars("Latency by part", "ms", ReportRows.Parts, [.. Bars(report)]));

        HtmlPage.Heading(page, "Accuracy against latency");
        page.Append(SvgChart.Scatter("All episodes, with the Pareto front", "predicted ms", "top-1 % on the judging images", [.. EpisodeSeries(report)]));

        HtmlPage.Heading(page, "Search progress");
        page.Append(SvgChart.Scatter("Reward by episode, and the best so far", "episode", "reward", [.. Progress(report)]));
        HtmlPage.Table(page, ["decider", ">episodes", "cut at", ">reward", ">top-1 %", ">predicted ms"], report.Deciders.Select(decider => new[]
        {
            decider.Decider, Invariant($"{decider.Episodes}"), decider.Cut, Invariant($"{decider.Reward:F4}"), ReportRows.Percent(decider.Accuracy), Invariant($"{decider.LatencyMs:F2}"),
        }));

        HtmlPage.Heading(page, "Sparsity of the plan");
        HtmlPage.Table(page, ["group", ">sparsity", ">kept", ">channels"], report.Plan.Groups.Select(group => new[]
        {
            group.Group, Invariant($"{group.Sparsity:F2}"), Invariant($"{group.KeptChannels}"), Invariant($"{group.Channels}"),
        }));

        HtmlPage.Heading(page, "Cuts");
        HtmlPage.Table(page, ["cut at", "status", ">minimum ms", ">uncompressed ms", "why"], report.Cuts.Select(cut => new[]
        {
            cut.Cut, cut.Status.ToString().ToLowerInvariant(), Invariant($"{cut.MinimumMs:F2}"), Invariant($"{cut.UncompressedMs:F2}"), cut.Reason,
        }));

        HtmlPage.Heading(page, "Notes");
        page.Append("<ul>");
        foreach (string note in report.Notes) page.Append("<li>").Append(HtmlPage.Escape(note)).Append("</li>");
        foreach (BaselineResult baseline in report.Baselines.Where(baseline => baseline.Note.Length > 0))
            page.Append("<li>").Append(HtmlPage.Escape($"{baseline.Name}: {baseline.Note}")).Append("</li>");
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

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
