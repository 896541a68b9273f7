using System.Globalization;
using CoInference.Agent.Baselines;
using CoInference.Agent.Search;
using CoInference.Runtime.Plans;

namespace CoInference.Cli.Rendering;

/// <summary>The comparison table of a report, in one form for terminal, Markdown and HTML.</summary>
internal static class ReportRows
{
    /// <summary>Headers; those that start with <c>&gt;</c> head right-aligned columns.</summary>
    public static IReadOnlyList<string> Columns { get; } =
        ["", "cut at", ">val. top-1 %", ">test top-1 %", ">payload bytes", ">device ms", ">encode ms", ">wire ms", ">decode ms", ">edge ms", ">total ms", ">predicted ms"];

    /// <summary>The parts of a latency, in the order in which they happen.</summary>
    public static IReadOnlyList<string> Parts { get; } = ["device", "encode", "wire", "decode", "edge"];

    /// <summary>The plan first, then the baselines.</summary>
    public static IEnumerable<BaselineResult> Results(SearchReport report) => report.Baselines.Prepend(report.PlanResult with { Name = "plan" });

    /// <summary>The cells of one result.</summary>
    public static string[] Cells(BaselineResult result)
    {
        LatencyBreakdown? time = result.Measured ?? result.Predicted;
        string[] parts = time is null ? ["", "", "", "", "", ""] : [.. Split(time).Select(Ms), Ms(time.TotalMs)];
        return
        [
            result.Name, result.Cut, Percent(result.Accuracy), Percent(result.TestAccuracy), result.PayloadBytes.ToString("F0", CultureInfo.InvariantCulture),
            .. parts, result.Predicted is null ? "" : Ms(result.Predicted.TotalMs),
        ];
    }

    /// <summary>The parts of a latency in milliseconds, in the order of <see cref="Parts"/>.</summary>
    public static double[] Split(LatencyBreakdown time) => [time.DeviceMs, time.EncodeMs, time.WireMs, time.DecodeMs, time.EdgeMs];

    /// <summary>One line that says what the figures are.</summary>
    public static string Headline(SearchReport report)
    {
        LatencyBreakdown? plan = report.PlanResult.Measured ?? report.PlanResult.Predicted;
        BaselineResult fastest = report.Baselines.Where(baseline => baseline.SetsBudget && (baseline.Measured ?? baseline.Predicted) is not null)
            .MinBy(baseline => (baseline.Measured ?? baseline.Predicted)!.TotalMs)!;
        double ratio = plan!.TotalMs / (fastest.Measured ?? fastest.Predicted)!.TotalMs;
        return string.Create(CultureInfo.InvariantCulture,
            $"Plan: {plan.TotalMs:F2} ms at {Percent(report.PlanResult.TestAccuracy ?? report.PlanResult.Accuracy)} % top-1, {ratio:F2}x the time of the fastest unpruned baseline ({fastest.Name}, {Percent(fastest.TestAccuracy ?? fastest.Accuracy)} %).");
    }

    /// <summary>Facts that belong above the table.</summary>
    public static IEnumerable<(string Name, string Value)> Facts(SearchReport report)
    {
        yield return ("model", $"{report.Model.Name}, {report.Model.Parameters.ToString("N0", CultureInfo.InvariantCulture)} parameters, SHA-256 {report.Model.Hash[..12]}");
        yield return ("data", string.Create(CultureInfo.InvariantCulture,
            $"{report.Data.Spec}, preprocessing {report.Data.Preprocessing}; {report.Data.CalibrationImages} calibration, {report.Data.JudgeImages} judging, {report.Data.ValidationImages} validation, {report.Data.TestImages} test images"));
        yield return ("link", report.Link);
        yield return ("device", string.Create(CultureInfo.InvariantCulture, $"{(report.Device == "cpu" ? $"{report.Host.Cpu}, {report.Host.InstructionSets}" : report.Device)}{(report.Slowdown > 1 ? $", emulated {report.Slowdown:0.##}x slower" : "")}"));
        yield return ("edge", report.EdgeDevice == "cpu" ? report.Host.Cpu : report.EdgeDevice);
        yield return ("budget", string.Create(CultureInfo.InvariantCulture, $"{report.Budget} = {report.BudgetMs:F2} ms; reward {report.Reward}; seed {report.Seed}"));
        yield return ("plan", Describe(report.Plan));
        yield return ("prediction", string.Create(CultureInfo.InvariantCulture, $"re-measured latency is {Math.Round(report.PredictionError, 3):+0.0%;-0.0%;0.0%} off the predicted one"));
        yield return ("search", string.Create(CultureInfo.InvariantCulture, $"{report.Episodes.Count} episodes in {report.Seconds:F0} s"));
        yield return ("host", $"{report.Host.OperatingSystem}, {report.Host.Runtime}, hypervisor {report.Host.Hypervisor}, governor {report.Host.Governor}, revision {report.Host.Revision}");
    }

    /// <summary>A plan in one line.</summary>
    public static string Describe(Plan plan)
    {
        string codec = plan.Codec is { } decision
            ? string.Create(CultureInfo.InvariantCulture, $"{decision.Channels} of {decision.TotalChannels} channels at {decision.Bits} bits{(decision.EntropyCoded ? ", entropy coded" : "")}")
            : "nothing sent";
        int kept = plan.Groups.Sum(group => group.KeptChannels), all = plan.Groups.Sum(group => group.Channels);
        string pruned = kept == all && plan.Groups.All(group => group.Sparsity == 0)
            ? "nothing pruned" : string.Create(CultureInfo.InvariantCulture, $"{plan.Groups.Count} groups keep {kept} of {all} channels");
        return $"cut at {plan.Cut}; {codec}; {pruned}; found by {plan.Decider}";
    }

    /// <summary>An accuracy in percent with two digits; empty for none.</summary>
    public static string Percent(double? share) => share is { } value ? (100 * value).ToString("F2", CultureInfo.InvariantCulture) : "";

    private static string Ms(double milliseconds) => milliseconds.ToString(milliseconds < 0.1 ? "F3" : "F2", CultureInfo.InvariantCulture);
}
