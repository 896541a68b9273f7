using System.Globalization;
using System.Text;
using CoInference.Agent.Online.Replay;

namespace CoInference.Cli.Rendering;

/// <summary>A replay as one HTML file without scripts or outside references.</summary>
internal static class ReplayPage
{
    private const int MostPoints = 1500, SmoothedRequests = 25;

    /// <summary>Renders the report.</summary>
    public static string Render(ReplayReport report)
    {
        ReplayedDecider[] learners = [.. report.Deciders.Where(decider => decider.Decider != "oracle")];
        StringBuilder page = HtmlPage.Open(
            $"{report.Network}, {report.Scenario.Name}", report.Slowdown == 1 ? "" : Invariant($"device emulated {report.Slowdown:0.##}x slower"), Headline(report), ReplayRows.Facts(report));

        HtmlPage.Heading(page, "Deciders");
        HtmlPage.Table(page, ReplayRows.Columns, report.Deciders.Select(ReplayRows.Cells));
        if (report.Seeds.Count > 1) page.Append("<p>Means over the seeds with 95 % intervals. The charts show the first seed.</p>");

        HtmlPage.Heading(page, "Decisions over time");
        foreach (ReplayedDecider decider in report.Deciders.Where(decider => decider.Points.Select(point => point.Target).Distinct().Count() > 1))
            page.Append(SvgChart.Scatter(decider.Decider, "request", "target, by the order of the list below", [.. Choices(report, decider)]));
        HtmlPage.Table(page, [">number", "target"], report.Targets.Select((name, index) => new[] { Invariant($"{index}"), name }));

        HtmlPage.Heading(page, "Energy");
        page.Append(SvgChart.Scatter($"Energy per request, mean over {SmoothedRequests} (modelled)", "request", "mJ", Lines(report.Deciders, Smoothed)));

        HtmlPage.Heading(page, "Latency against QoS");
        page.Append(SvgChart.Scatter("Latency of every request", "request", "ms",
        [
            .. learners.Select(decider => new ChartSeries(decider.Decider, [.. Thinned(decider.Points.Select((point, i) => new ChartPoint(
                i, point.LatencyMs, Invariant($"{decider.Decider}, request {i}: {report.Targets[point.Target]}, {point.LatencyMs:F2} ms"))))], Radius: 1.5)),
            new ChartSeries("QoS", [new ChartPoint(0, report.QosMs, ""), new ChartPoint(report.Scenario.Requests - 1, report.QosMs, "")], Line: true, Radius: 0),
        ]));

        HtmlPage.Heading(page, "Regret");
        page.Append(SvgChart.Scatter("Energy above the oracle's, summed (modelled)", "request", "mJ", Lines(learners, decider => decider.Points.Select((point, i) => new ChartPoint(i, point.RegretMj, "")))));
        return page.Append("</body></html>\n").ToString();
    }

    private static string Headline(ReplayReport report)
    {
        if (report.Deciders.Where(decider => decider.Decider != "oracle").MinBy(decider => decider.EnergyMj.Mean) is not { } best) return "";
        return Invariant($"Least energy: {best.Decider} with {best.EnergyMj.Mean:F1} mJ per request (modelled), {100 * best.OverOracle.Mean:F1} % above the oracle, {100 * best.Violations.Mean:F1} % late or lost.");
    }

    private static IEnumerable<ChartSeries> Choices(ReplayReport report, ReplayedDecider decider)
    {
        IEnumerable<ChartPoint> right = decider.Points.Select((point, i) => new ChartPoint(i, point.Target, Invariant($"request {i}: {report.Targets[point.Target]}")));
        IEnumerable<ChartPoint> best = decider.Points.Select((point, i) => new ChartPoint(i, point.Best, Invariant($"request {i}: best was {report.Targets[point.Best]}")));
        yield return new ChartSeries("oracle", [.. Thinned(best)], Radius: 4);
        yield return new ChartSeries("chosen", [.. Thinned(right)], Radius: 1.5);
    }

    private static IReadOnlyList<ChartSeries> Lines(IEnumerable<ReplayedDecider> deciders, Func<ReplayedDecider, IEnumerable<ChartPoint>> points) =>
        [.. deciders.Select(decider => new ChartSeries(decider.Decider, [.. Thinned(points(decider))], Line: true, Radius: 0))];

    private static IEnumerable<ChartPoint> Smoothed(ReplayedDecider decider)
    {
        double sum = 0;
        for (int i = 0; i < decider.Points.Count; i++)
        {
            sum += decider.Points[i].EnergyMj;
            if (i >= SmoothedRequests) sum -= decider.Points[i - SmoothedRequests].EnergyMj;
            yield return new ChartPoint(i, sum / Math.Min(i + 1, SmoothedRequests), "");
        }
    }

    /// <summary>At most about <see cref="MostPoints"/> of the points, evenly spread: a page has to stay small.</summary>
    private static IEnumerable<ChartPoint> Thinned(IEnumerable<ChartPoint> points)
    {
        ChartPoint[] all = [.. points];
        int step = Math.Max(1, all.Length / MostPoints);
        return all.Where((_, i) => i % step == 0);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
