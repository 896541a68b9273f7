using System.Diagnostics;
using System.Globalization;
using System.Text;
using CoInference.Cli.Rendering;
using CoInference.Runtime.Data;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Transport;

namespace CoInference.Bench.Serving;

/// <summary>
/// Requests per second and their time against the number of clients, for an edge without batching, with batching where it was
/// measured to win, and with batching whatever was measured. Clients send a frame that was made before: no device computes.
/// </summary>
internal static class ThroughputRun
{
    private const int MaxBatch = 8;

    private static readonly int[] Clients = [1, 2, 4, 8, 16, 32];
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(0.3);
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(1.2);

    public static int Execute(string output, string? model)
    {
        string root = Directory.CreateTempSubdirectory("coinference-throughput-").FullName;
        try
        {
            string folder = Path.Combine(root, "bundle");
            Bundle bundle = ServedBundle.Create(folder, model);
            byte[][] frames = Frames(bundle);
            var rows = new List<Row>();
            (string Name, string[] Options)[] settings = [("off", []), ("measured", [$"batch={MaxBatch}"]), ("always", [$"batch={MaxBatch}", "force=1"])];
            EdgeProcess[] edges = [.. settings.Select(setting => EdgeProcess.Start(folder, setting.Options))];
            for (int i = 0; i < edges.Length; i++)
            {
                foreach (string line in edges[i].ReadBatches()) Console.WriteLine($"batching {settings[i].Name}: {line}");
            }

            // Interleaved, so that a busy moment of the machine does not fall on one of them alone.
            foreach (int clients in Clients)
            {
                for (int i = 0; i < edges.Length; i++) rows.Add(Measure(bundle, edges[i].Address, frames, settings[i].Name, clients));
            }

            foreach (EdgeProcess edge in edges)
            {
                edge.Stop();
                edge.Dispose();
            }

            Write(output, model is null ? "shapes10" : Path.GetFileNameWithoutExtension(model), rows);
            return 0;
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static Row Measure(Bundle bundle, EdgeAddress address, byte[][] frames, string batching, int clients)
    {
        var all = new List<double>();
        using var start = new Barrier(clients);
        double seconds = 0;
        Task.WaitAll([.. Enumerable.Range(0, clients).Select(number => Task.Factory.StartNew(
            () =>
            {
                using EdgeClient client = EdgeClient.Connect(address, bundle);
                var logits = new float[bundle.Classes];
                var times = new List<double>();
                start.SignalAndWait();
                var clock = Stopwatch.StartNew();
                for (int i = number; clock.Elapsed < WarmUp + Duration; i++)
                {
                    int frame = i % frames.Length;
                    long before = Stopwatch.GetTimestamp();
                    client.Request(frames[frame], (ulong)frame + 1, logits);
                    if (clock.Elapsed > WarmUp) times.Add(Stopwatch.GetElapsedTime(before).TotalMilliseconds);
                }

                lock (all)
                {
                    all.AddRange(times);
                    seconds += (clock.Elapsed - WarmUp).TotalSeconds / clients;
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))]);
        all.Sort();
        return new Row(batching, clients, all.Count / seconds, all[all.Count / 2], all[(int)(all.Count * 0.99)]);
    }

    /// <summary>Requests of a set of images, without deadlines.</summary>
    private static byte[][] Frames(Bundle bundle)
    {
        ImageSet images = ServedBundle.Images(bundle, 32);
        return FrameRecorder.Record(bundle, images);
    }

    private static void Write(string output, string network, List<Row> rows)
    {
        Directory.CreateDirectory(output);
        var table = new StringBuilder("| batching | clients | requests/s | p50 ms | p99 ms |\n|---|---:|---:|---:|---:|\n");
        foreach (Row row in rows.OrderBy(row => row.Batching == "off" ? 0 : row.Batching == "measured" ? 1 : 2))
            table.Append(CultureInfo.InvariantCulture, $"| {row.Batching} | {row.Clients} | {row.RequestsPerSecond:F0} | {row.MedianMs:F3} | {row.P99Ms:F3} |\n");
        Console.Write(table);
        File.WriteAllText(Path.Combine(output, "throughput.md"), table.ToString());
        string page = $$"""
            <!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{network}}: edge throughput</title><style>
            :root { color-scheme: light dark; --ink: #1c2330; --soft: #667085; --line: #d7dce5; --back: #fff; --c0: #2f6fde; --c1: #8b5cf6; --c2: #e08a1e; --c3: #14a38b; --c4: #c2415b; --c5: #64748b; }
            @media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #353c49; --back: #14181f; --c0: #6ea0ff; --c1: #b195ff; --c2: #f2b25c; --c3: #4fd1b8; --c4: #f08098; --c5: #a3afc0; } }
            body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 1000px; margin: 2rem auto; }
            svg { width: 100%; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .label { fill: var(--soft); } svg .title { font-weight: 600; } svg .grid { stroke: var(--line); }
            </style></head><body><h1>{{network}}: edge throughput, {{Environment.ProcessorCount}} processors shared with the clients</h1>
            {{SvgChart.Scatter("Requests per second", "clients", "requests/s", Lines(rows, row => row.RequestsPerSecond))}}
            {{SvgChart.Scatter("Median time of a request", "clients", "ms", Lines(rows, row => row.MedianMs))}}
            {{SvgChart.Scatter("99th percentile", "clients", "ms", Lines(rows, row => row.P99Ms))}}
            </body></html>
            """;
        File.WriteAllText(Path.Combine(output, "throughput.html"), page);
        Console.WriteLine($"written: {Path.Combine(output, "throughput.html")}");
    }

    private static ChartSeries[] Lines(List<Row> rows, Func<Row, double> value) =>
        [.. rows.GroupBy(row => row.Batching).Select(group => new ChartSeries(
            $"batching {group.Key}", [.. group.Select(row => new ChartPoint(row.Clients, value(row), string.Create(CultureInfo.InvariantCulture, $"{row.Clients} clients: {value(row):F2}")))], Line: true))];

    private sealed record Row(string Batching, int Clients, double RequestsPerSecond, double MedianMs, double P99Ms);
}
