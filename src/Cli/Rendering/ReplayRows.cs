using System.Globalization;
using CoInference.Agent.Online.Replay;

namespace CoInference.Cli.Rendering;

/// <summary>What every rendering of a replay shows.</summary>
internal static class ReplayRows
{
    /// <summary>Columns of the table of deciders.</summary>
    public static readonly IReadOnlyList<string> Columns =
        ["decider", ">energy mJ (modelled)", ">over oracle %", ">late or lost %", ">right %", ">right % after 100", ">latency ms"];

    /// <summary>Names and values of what was replayed.</summary>
    public static IEnumerable<(string Name, string Value)> Facts(ReplayReport report)
    {
        yield return ("network", report.Network);
        yield return ("scenario", $"{report.Scenario.Name}, {report.Scenario.Requests} requests, one each {Number(report.Scenario.PeriodMs, "0.###")} ms, {report.Seeds.Count} seed(s)");
        if (report.Trace.Length > 0) yield return ("link", report.Trace);
        yield return ("asked for", $"{Number(report.QosMs, "0.###")} ms, accuracy of at least {Number(report.MinAccuracy, "0.####")}");
        yield return ("times", $"recorded on {report.RecordedOn}; device {(report.Slowdown == 1 ? "as it is" : $"emulated {Number(report.Slowdown, "0.##")}x slower")}; simulated time");
        yield return ("energy", $"modelled: {report.EnergyModel}");
    }

    /// <summary>One decider's row.</summary>
    public static string[] Cells(ReplayedDecider decider) =>
    [
        decider.Decider, Interval(decider.EnergyMj, 1, "F2"), Interval(decider.OverOracle, 100, "F1"), Interval(decider.Violations, 100, "F2"),
        Interval(decider.Right, 100, "F1"), Interval(decider.RightAfter100, 100, "F1"), Interval(decider.LatencyMs, 1, "F2"),
    ];

    /// <summary>A mean with the half width of its interval.</summary>
    public static string Interval(SeedMean value, double scale, string format) =>
        value.HalfWidth == 0 ? Number(scale * value.Mean, format) : $"{Number(scale * value.Mean, format)} ± {Number(scale * value.HalfWidth, format)}";

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
