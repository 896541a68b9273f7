using System.Globalization;
using System.Net;
using System.Text;

namespace CoInference.Cli.Rendering;

/// <summary>One bar split into parts.</summary>
/// <param name="Label">Name beside the bar.</param>
/// <param name="Parts">Length of each part, in the chart's unit.</param>
/// <param name="Emphasis">Whether the label is set in bold.</param>
internal sealed record StackedBar(string Label, IReadOnlyList<double> Parts, bool Emphasis = false);

/// <summary>One mark of a scatter chart.</summary>
/// <param name="X">Horizontal value.</param>
/// <param name="Y">Vertical value.</param>
/// <param name="Tip">Text shown on hover.</param>
internal sealed record ChartPoint(double X, double Y, string Tip);

/// <summary>A named set of points with one colour.</summary>
/// <param name="Name">Name in the legend.</param>
/// <param name="Points">The points.</param>
/// <param name="Line">Whether the points are joined by a line.</param>
/// <param name="Radius">Radius of the marks in pixels; 0 draws none.</param>
internal sealed record ChartSeries(string Name, IReadOnlyList<ChartPoint> Points, bool Line = false, double Radius = 3);

/// <summary>
/// Charts as inline SVG without scripts: colours come from CSS custom properties of the page (<c>--c0</c> to
/// <c>--c7</c>), so that the page's light and dark themes apply.
/// </summary>
internal static class SvgChart
{
    private const int Width = 860;
    private const int Colours = 8;

    /// <summary>Horizontal bars, each split into the same parts.</summary>
    public static string StackedBars(string title, string unit, IReadOnlyList<string> parts, IReadOnlyList<StackedBar> bars)
    {
        const int left = 230, right = 80, top = 48, rowHeight = 26;
        int height = top + (bars.Count * rowHeight) + 40;
        var axis = new Axis(0, bars.Max(bar => bar.Parts.Sum()), left, Width - right);
        StringBuilder svg = Open(title, height);
        Legend(svg, parts, left, 30);
        VerticalGrid(svg, axis, top, top + (bars.Count * rowHeight));
        for (int row = 0; row < bars.Count; row++)
        {
            StackedBar bar = bars[row];
            double y = top + (row * rowHeight) + 4, start = 0;
            Text(svg, left - 8, y + 13, "end", bar.Label, bar.Emphasis ? "strong" : "label");
            for (int part = 0; part < bar.Parts.Count; part++)
            {
                double x = axis.At(start), width = axis.At(start + bar.Parts[part]) - x;
                start += bar.Parts[part];
                if (width <= 0) continue;
                svg.Append(Invariant($"""<rect x="{x:F1}" y="{y:F1}" width="{width:F1}" height="{rowHeight - 8}" fill="var(--c{part % Colours})"><title>{Escape(bar.Label)}: {Escape(parts[part])} {bar.Parts[part]:0.###} {Escape(unit)}</title></rect>"""));
            }

            Text(svg, axis.At(start) + 6, y + 13, "start", Invariant($"{start:0.##}"), bar.Emphasis ? "strong" : "label");
        }

        Text(svg, Width - right, height - 6, "end", unit, "label");
        return svg.Append("</svg>").ToString();
    }

    /// <summary>Points and lines over two linear axes.</summary>
    public static string Scatter(string title, string xLabel, string yLabel, IReadOnlyList<ChartSeries> series)
    {
        const int left = 70, right = 20, top = 48, bottom = 46, height = 380;
        List<ChartPoint> all = [.. series.SelectMany(one => one.Points)];
        if (all.Count == 0) return "";
        double xMinimum = all.Min(point => point.X), xMaximum = all.Max(point => point.X);
        double yMinimum = all.Min(point => point.Y), yMaximum = all.Max(point => point.Y);
        var x = new Axis(xMinimum, xMaximum, left, Width - right);
        var y = new Axis(yMinimum, yMaximum, height - bottom, top);
        StringBuilder svg = Open(title, height);
        Legend(svg, [.. series.Select(one => one.Name)], left, 30);
        VerticalGrid(svg, x, top, height - bottom);
        foreach (double tick in y.Ticks())
        {
            svg.Append(Invariant($"""<line class="grid" x1="{left}" x2="{Width - right}" y1="{y.At(tick):F1}" y2="{y.At(tick):F1}"/>"""));
            Text(svg, left - 8, y.At(tick) + 4, "end", y.Label(tick), "label");
        }

        for (int i = 0; i < series.Count; i++)
        {
            string colour = Invariant($"var(--c{i % Colours})");
            if (series[i].Line)
            {
                string path = string.Join(' ', series[i].Points.Select(point => Invariant($"{x.At(point.X):F1},{y.At(point.Y):F1}")));
                svg.Append($"""<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>""");
            }

            if (series[i].Radius <= 0) continue;
            foreach (ChartPoint point in series[i].Points)
                svg.Append(Invariant($"""<circle cx="{x.At(point.X):F1}" cy="{y.At(point.Y):F1}" r="{series[i].Radius}" fill="{colour}" fill-opacity="0.75"><title>{Escape(point.Tip)}</title></circle>"""));
        }

        Text(svg, Width - right, height - 8, "end", xLabel, "label");
        Text(svg, left, top - 6, "start", yLabel, "label");
        return svg.Append("</svg>").ToString();
    }

    private static StringBuilder Open(string title, int height)
    {
        StringBuilder svg = new StringBuilder().Append(Invariant($"""<svg viewBox="0 0 {Width} {height}" role="img" aria-label="{Escape(title)}">"""));
        Text(svg, 0, 15, "start", title, "title");
        return svg;
    }

    private static void Legend(StringBuilder svg, IReadOnlyList<string> names, double x, double y)
    {
        for (int i = 0; i < names.Count; i++)
        {
            svg.Append(Invariant($"""<rect x="{x:F1}" y="{y - 9:F1}" width="10" height="10" fill="var(--c{i % Colours})"/>"""));
            Text(svg, x + 14, y, "start", names[i], "label");
            x += 30 + (names[i].Length * 6.6);
        }
    }

    private static void VerticalGrid(StringBuilder svg, Axis axis, double top, double bottom)
    {
        foreach (double tick in axis.Ticks())
        {
            svg.Append(Invariant($"""<line class="grid" x1="{axis.At(tick):F1}" x2="{axis.At(tick):F1}" y1="{top:F1}" y2="{bottom:F1}"/>"""));
            Text(svg, axis.At(tick), bottom + 16, "middle", axis.Label(tick), "label");
        }
    }

    private static void Text(StringBuilder svg, double x, double y, string anchor, string text, string style) =>
        svg.Append(Invariant($"""<text class="{style}" x="{x:F1}" y="{y:F1}" text-anchor="{anchor}">{Escape(text)}</text>"""));

    private static string Escape(string text) => WebUtility.HtmlEncode(text);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
