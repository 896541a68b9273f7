using System.Globalization;
using System.Text;
using CoInference.Agent.Online.Live;

namespace CoInference.Cli.Rendering;

/// <summary>A live run of a decider, as a table and as one HTML file without scripts or outside references.</summary>
internal static class LivePage
{
    private const int MostPoints = 1500;

    private static readonly string[] Columns = ["target", ">accuracy", ">payload bytes", ">chosen", ">failed", ">latency ms", ">energy mJ", ">switch ms"];

    /// <summary>Shows the report.</summary>
    public static void Show(Terminal terminal, LiveReport report)
    {
        foreach ((string name, string value) in Facts(report)) terminal.Line($"{name,-12}{value}");
        var table = new ResultTable(Columns);
        foreach (LiveTarget target in report.Targets) table.Add(Cells(target));
        terminal.Write(table);
    }

    /// <summary>Renders the report as a page.</summary>
    public static string Render(LiveReport report)
    {
        StringBuilder page = HtmlPage.Open($"Live run of {report.Decider}", Emulated(report), Headline(report), Facts(report));
        HtmlPage.Heading(page, "Targets");
        HtmlPage.Table(page, [">number", .. Columns], report.Targets.Select<LiveTarget, string[]>((target, i) => [Invariant($"{i}"), .. Cells(target)]));
        HtmlPage.Heading(page, "Decisions over time");
        LiveSamples samples = report.Samples;
        page.Append(SvgChart.Scatter("Chosen target", "seconds", "target, by its number",
        [
            Points("answered", i => samples.Target[i], i => !samples.Fallback[i]), Points("failed, the device answered", i => samples.Target[i], i => samples.Fallback[i]),
        ]));
        page.Append(SvgChart.Scatter("Estimated link", "seconds", "Mbit/s", [Points("rate", i => samples.LinkMbps[i] ?? 0, i => samples.LinkMbps[i] is not null)]));
        HtmlPage.Heading(page, "Latency against QoS");
        page.Append(SvgChart.Scatter("Latency of every request", "seconds", "ms",
            [Points("latency", i => samples.LatencyMs[i], _ => true), new ChartSeries("QoS", [new ChartPoint(0, report.QosMs, ""), new ChartPoint(report.Seconds, report.QosMs, "")], Line: true, Radius: 0)]));
        HtmlPage.Heading(page, "Energy");
        page.Append(SvgChart.Scatter($"Energy of the device per request ({Source(report)})", "seconds", "mJ", [Points("energy", i => samples.EnergyMj[i], _ => true)]));
        return page.Append("</body></html>\n").ToString();

        ChartSeries Points(string name, Func<int, double> value, Func<int, bool> counts)
        {
            int[] chosen = [.. Enumerable.Range(0, report.Requests).Where(counts)];
            int step = Math.Max(1, chosen.Length / MostPoints);
            return new ChartSeries(name, [.. chosen.Where((_, at) => at % step == 0).Select(i => new ChartPoint(
                samples.Seconds[i], value(i), Invariant($"request {i}: {report.Targets[samples.Target[i]].Target.Name}, {samples.LatencyMs[i]:F2} ms")))], Radius: 1.5);
        }
    }

    private static IEnumerable<(string Name, string Value)> Facts(LiveReport report)
    {
        yield return ("decider", report.Decider);
        yield return ("edge", report.Edge.Length == 0 ? "none" : report.Edge);
        if (Emulated(report) is { Length: > 0 } emulated) yield return ("emulated", emulated);
        yield return ("asked for", Invariant($"{report.QosMs:0.###} ms, accuracy {report.MinAccuracy:0.###}, given up after {report.DeadlineMs:0.###} ms"));
        yield return ("answered", Invariant($"{report.Requests - report.Unanswered} of {report.Requests}, {report.Fallbacks} by the device after the chosen target failed; {100 * report.Violations:F2} % late or lost; top-1 {100 * report.Top1:F2} %"));
        yield return ("latency", Invariant($"{report.Latency.MedianMs:F3} ms median, {report.Latency.MeanMs:F3} mean, {report.Latency.P99Ms:F3} p99"));
        yield return ("energy", Invariant($"{report.EnergyMj:F3} mJ a request ({Source(report)})"));
        yield return ("overhead", Invariant($"decision {report.DecisionUs:F2} us median, conditions {report.ConditionsUs:F2} us mean; {report.Switches} changes of target"));
    }

    private static string[] Cells(LiveTarget row) =>
    [
        row.Target.Name, Invariant($"{100 * row.Target.Accuracy:F2} %"), Invariant($"{row.Target.PayloadBytes:F0}"), Invariant($"{row.Requests}"), Invariant($"{row.Failed}"),
        row.Requests == row.Failed ? "" : Invariant($"{row.LatencyMs:F3}"), row.Requests == row.Failed ? "" : Invariant($"{row.EnergyMj:F3}"), Invariant($"{row.StartSwitchMs:F3}"),
    ];

    private static string Headline(LiveReport report) =>
        Invariant($"{report.EnergyMj:F2} mJ per request ({Source(report)}), {100 * report.Violations:F2} % of {report.Requests} requests late or lost.");

    private static string Emulated(LiveReport report) =>
        string.Join(", ", ((string[])[report.Slowdown == 1 ? "" : Invariant($"device {report.Slowdown:0.##}x slower"), report.EmulatedLink.Length == 0 ? "" : $"link {report.EmulatedLink}"]).Where(text => text.Length > 0));

    private static string Source(LiveReport report) =>
        report.EnergyMeasuredShare switch { 0 => "modelled", 1 => "measured", _ => Invariant($"{100 * report.EnergyMeasuredShare:F0} % of requests measured, others modelled") };

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
