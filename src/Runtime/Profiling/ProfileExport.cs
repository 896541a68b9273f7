using System.Globalization;
using System.Text;
using System.Text.Json;

namespace CoInference.Runtime.Profiling;

/// <summary>Renders a profile for other programs.</summary>
public static class ProfileExport
{
    private const string Header = "name,op,kernel,device,shape,form,density,median_us,p10_us,p90_us,share,gflops,gbps,bound_by,peak_fraction";

    /// <summary>One line per layer with a header line; RFC 4180.</summary>
    public static string ToCsv(ProfileReport report)
    {
        var text = new StringBuilder(Header).Append('\n');
        foreach (LayerProfile layer in report.Layers)
        {
            text.Append(CultureInfo.InvariantCulture,
                $"{Quote(layer.Name)},{layer.Op},{layer.Kernel},{layer.Device},{Quote(layer.Shape)},{layer.Form},{layer.Density:R},{layer.MedianUs:0.###},{layer.P10Us:0.###},")
                .Append(CultureInfo.InvariantCulture, $"{layer.P90Us:0.###},{layer.Share:0.#####},{layer.Gflops:0.###},{layer.Gbps:0.###},{layer.BoundBy},{layer.PeakFraction:0.####}\n");
        }

        return text.ToString();
    }

    /// <summary>
    /// The layers one after another in the trace-event format of Chrome and Perfetto, times in microseconds; a slice above
    /// them spans the end-to-end median.
    /// </summary>
    public static byte[] ToChromeTrace(ProfileReport report)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            json.WriteString("displayTimeUnit", "ns");
            json.WriteStartArray("traceEvents");
            WriteSlice(json, $"{report.Model} end to end", "network", 1, 0, report.EndToEnd.MedianMs * 1000, null);
            double start = 0;
            foreach (LayerProfile layer in report.Layers)
            {
                WriteSlice(json, layer.Name, layer.Op, 2, start, layer.MedianUs, layer);
                start += layer.MedianUs;
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static void WriteSlice(Utf8JsonWriter json, string name, string category, int thread, double startUs, double durationUs, LayerProfile? layer)
    {
        json.WriteStartObject();
        json.WriteString("name", name);
        json.WriteString("cat", category);
        json.WriteString("ph", "X");
        json.WriteNumber("ts", startUs);
        json.WriteNumber("dur", durationUs);
        json.WriteNumber("pid", 1);
        json.WriteNumber("tid", thread);
        if (layer is not null)
        {
            json.WriteStartObject("args");
            json.WriteString("kernel", layer.Kernel);
            json.WriteString("device", layer.Device);
            json.WriteString("shape", layer.Shape);
            json.WriteNumber("gflops", layer.Gflops);
            json.WriteString("boundBy", layer.BoundBy);
            json.WriteNumber("peakFraction", layer.PeakFraction);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static string Quote(string text) =>
        text.AsSpan().ContainsAny(",\"\r\n") ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
}
