using CoInference.Cli.Rendering;

namespace CoInference.Bench.RateAccuracy;

/// <summary>The chart as a page and as an image of its own.</summary>
internal static class Page
{
    private const string Style = """
        :root { --c0: #2f6fde; --c1: #d9534f; --c2: #3a9d5d; --c3: #b07aa1; --c4: #e08e0b; --c5: #17a2b8; --fg: #222; }
        body { font: 14px system-ui, sans-serif; margin: 2rem; color: var(--fg); }
        svg text { font: 12px system-ui, sans-serif; fill: #222; } svg .title { font-weight: 600; } svg .grid { stroke: #ddd; }
        """;

    public static string Html(IReadOnlyList<RatePoint> points) =>
        $"<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Rate and accuracy</title><style>{Style}</style><body>{Chart(points)}</body></html>";

    public static string Svg(IReadOnlyList<RatePoint> points)
    {
        string chart = Chart(points);
        int inside = chart.IndexOf('>', StringComparison.Ordinal) + 1;
        return $"<svg xmlns=\"http://www.w3.org/2000/svg\"{chart["<svg".Length..inside]}<style>{Style}</style><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>{chart[inside..]}\n";
    }

    private static string Chart(IReadOnlyList<RatePoint> points)
    {
        ChartSeries[] series = [.. points.GroupBy(point => point.Kind).Select(kind => new ChartSeries(
            kind.Key, [.. kind.OrderBy(point => point.Bytes).Select(point => new ChartPoint(Math.Log2(point.Bytes), 100 * point.Top1, $"{point.Setting}: {point.Bytes:F0} bytes"))], Line: true))];
        return SvgChart.Scatter("Accuracy against bytes on the wire", "log2 of the mean bytes per image, header included", "top-1 %", series);
    }
}
