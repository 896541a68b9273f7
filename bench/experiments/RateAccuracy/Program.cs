// Accuracy against bytes on the wire at one cut: learned bottlenecks beside plain features, PNG and JPEG images.
//   dotnet run -c Release --project bench/experiments/RateAccuracy -- MODEL CUT DATA FOLDER [BITS=BOTTLENECK.onnx ...]
// BOTTLENECK.onnx is what 'coinference bottleneck' wrote, BITS what it was trained with. Prints a Markdown table and writes
// rate-accuracy.json and the chart, rate-accuracy.html and .svg, to FOLDER. Bytes are means over the test images, header included.
using System.Globalization;
using System.Text.Json;
using CoInference.Bench.RateAccuracy;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;

if (args is not [var model, var cut, var spec, var folder, .. var bottlenecks])
{
    Console.Error.WriteLine("usage: RateAccuracy MODEL CUT DATA FOLDER [BITS=BOTTLENECK.onnx ...]");
    return 2;
}

var curve = new Curve(GraphSimplifier.Simplify(OnnxModel.Load(model)), cut, DataSpec.Parse(spec));
IEnumerable<RatePoint> points = curve.Images().Concat(curve.Features()).Concat(curve.LinearBottlenecks()).Concat(bottlenecks.Select(Learned));
Console.WriteLine("| what crosses | setting | bytes | top-1 % | points lost |");
Console.WriteLine("|---|---|---:|---:|---:|");
var all = new List<RatePoint>();
foreach (RatePoint point in points)
{
    all.Add(point);
    Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"| {point.Kind} | {point.Setting} | {point.Bytes:F0} | {100 * point.Top1:F2} | {100 * (curve.DenseTop1 - point.Top1):F2} |"));
}

Directory.CreateDirectory(folder);
File.WriteAllText(Path.Combine(folder, "rate-accuracy.json"), JsonSerializer.Serialize(all, RateJson.Default.ListRatePoint));
File.WriteAllText(Path.Combine(folder, "rate-accuracy.html"), Page.Html(all));
File.WriteAllText(Path.Combine(folder, "rate-accuracy.svg"), Page.Svg(all));
return 0;

RatePoint Learned(string argument)
{
    int at = argument.IndexOf('=', StringComparison.Ordinal);
    int bits = int.Parse(argument.AsSpan(0, at), CultureInfo.InvariantCulture);
    return curve.Learned(OnnxModel.Load(argument[(at + 1)..]), bits);
}
