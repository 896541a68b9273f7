using System.Globalization;
using System.Text.Json;
using CoInference.Agent.Baselines;
using CoInference.Agent.Search;
using CoInference.Cli.Rendering;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Transport;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Compares two results of the same kind.</summary>
[Verb("compare", HelpText = "Compare two profiles, runs or search reports (JSON files): ratios with intervals.")]
internal sealed class CompareVerb : Verb
{
    /// <summary>First file.</summary>
    [Value(0, MetaName = "A.json", Required = true, HelpText = "First file.")]
    public string A { get; set; } = "";

    /// <summary>Second file.</summary>
    [Value(1, MetaName = "B.json", Required = true, HelpText = "Second file, of the same schema.")]
    public string B { get; set; } = "";

    /// <inheritdoc/>
    public override Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        if (Json is not null) throw new UsageException("compare has no JSON form; both files already are JSON.");
        string schema = SchemaOf(A);
        string other = SchemaOf(B);
        if (schema != other) throw new InvalidDataException($"'{A}' is {schema} but '{B}' is {other}; only results of one kind can be compared.");
        ResultTable table = schema switch
        {
            ProfileReport.SchemaName => Profiles(ProfileReport.Load(A), ProfileReport.Load(B)),
            RunReport.SchemaName => Runs(RunReport.Read(A), RunReport.Read(B)),
            SearchReport.SchemaName => Searches(SearchReport.Read(A), SearchReport.Read(B)),
            _ => throw new InvalidDataException($"'{A}' is {schema}; expected {ProfileReport.SchemaName}, {RunReport.SchemaName} or {SearchReport.SchemaName}."),
        };
        terminal.Line($"A = {A}, B = {B}; a ratio above 1 means that B is slower");
        terminal.Write(table);
        return Task.FromResult(ExitCode.Done);
    }

    private static ResultTable Profiles(ProfileReport a, ProfileReport b)
    {
        var table = new ResultTable("what", ">A ms", ">B ms", ">B / A", ">95 % interval");
        Timed(table, "end to end", a.EndToEnd.SamplesMs, b.EndToEnd.SamplesMs);
        Dictionary<string, LayerProfile> layers = b.Layers.GroupBy(layer => layer.Name).ToDictionary(group => group.Key, group => group.First());
        foreach (LayerProfile layer in a.Layers)
        {
            if (layers.TryGetValue(layer.Name, out LayerProfile? match)) table.Add(layer.Name, Ms(layer.MedianUs / 1000), Ms(match.MedianUs / 1000), Ratio(layer.MedianUs, match.MedianUs), "");
        }

        return table;
    }

    private static ResultTable Runs(RunReport a, RunReport b)
    {
        var table = new ResultTable("what", ">A", ">B", ">B / A", ">95 % interval");
        table.Add("top-1 %", ReportRows.Percent(a.Top1), ReportRows.Percent(b.Top1), "", "");
        table.Add("payload bytes", Ms(a.Payload.MeanBytes), Ms(b.Payload.MeanBytes), Ratio(a.Payload.MeanBytes, b.Payload.MeanBytes), "");
        Timed(table, "total ms", a.Samples.TotalMs, b.Samples.TotalMs);
        Timed(table, "device ms", a.Samples.DeviceMs, b.Samples.DeviceMs);
        Timed(table, "wire ms", a.Samples.WireMs, b.Samples.WireMs);
        Timed(table, "edge ms", a.Samples.EdgeMs, b.Samples.EdgeMs);
        return table;
    }

    private static ResultTable Searches(SearchReport a, SearchReport b)
    {
        var table = new ResultTable("plan or baseline", ">A ms", ">B ms", ">B / A", ">A top-1 %", ">B top-1 %");
        Dictionary<string, BaselineResult> results = ReportRows.Results(b).GroupBy(result => result.Name).ToDictionary(group => group.Key, group => group.First());
        foreach (BaselineResult first in ReportRows.Results(a))
        {
            if (!results.TryGetValue(first.Name, out BaselineResult? second)) continue;
            double before = (first.Measured ?? first.Predicted)?.TotalMs ?? double.NaN, after = (second.Measured ?? second.Predicted)?.TotalMs ?? double.NaN;
            table.Add(first.Name, Ms(before), Ms(after), Ratio(before, after), ReportRows.Percent(first.TestAccuracy ?? first.Accuracy), ReportRows.Percent(second.TestAccuracy ?? second.Accuracy));
        }

        return table;
    }

    private static void Timed(ResultTable table, string name, IReadOnlyList<double> a, IReadOnlyList<double> b)
    {
        if (a.Count == 0 || b.Count == 0 || a.Max() == 0 || b.Max() == 0) return;
        TimingComparison comparison = TimingComparison.From(Timing.From([.. a.Select(Microseconds)]), Timing.From([.. b.Select(Microseconds)]));
        table.Add(name, Ms(comparison.A.MedianMs), Ms(comparison.B.MedianMs), comparison.Ratio.ToString("F3", CultureInfo.InvariantCulture),
            string.Create(CultureInfo.InvariantCulture, $"{comparison.RatioLow:F3} .. {comparison.RatioHigh:F3}"));

        static double Microseconds(double milliseconds) => milliseconds * 1000;
    }

    private static string SchemaOf(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            using JsonDocument document = JsonDocument.Parse(stream);
            if (document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("schema", out JsonElement schema) && schema.GetString() is { } name) return name;
        }
        catch (JsonException failure)
        {
            throw new InvalidDataException($"'{path}' is not JSON: {failure.Message}", failure);
        }

        throw new InvalidDataException($"'{path}' has no field 'schema'; expected a result that coinference wrote.");
    }

    private static string Ms(double value) => double.IsNaN(value) ? "" : value.ToString("F3", CultureInfo.InvariantCulture);

    private static string Ratio(double a, double b) => a > 0 && !double.IsNaN(b) ? (b / a).ToString("F3", CultureInfo.InvariantCulture) : "";
}
