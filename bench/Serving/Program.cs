using System.Globalization;
using CoInference.Bench.Serving;

// Measures and torments the two-node runtime: see docs/serving.md.
//   hostile    [frames] [seed]               malformed frames of every kind against an edge process that must go on serving
//   stress     [requests] [clients] [seed]   a link that fades, stalls and drops; the edge is killed and restarted in mid-run
//   decide     [requests] [clients] [decider,...] [seed]   the same link and edge, with a decider on each device that chooses among many plans
//   throughput [folder] [model.onnx]         requests/s, p50 and p99 against the number of clients, with and without batching
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
switch (args)
{
    case [EdgeProcess.Verb, ..]:
        return EdgeProcess.Serve(args.AsSpan(1));
    case ["hostile", ..]:
        return HostileRun.Execute(Number(1, 1_000_000), Number(2, 1));
    case ["stress", ..]:
        return StressRun.Execute(Number(1, 10_000), Number(2, 8), Number(3, 1));
    case ["decide", ..]:
        return DecideRun.Execute(Number(1, 10_000), Number(2, 8), (args.ElementAtOrDefault(3) ?? "autoscale,ans").Split(','), Number(4, 1));
    case ["throughput", ..]:
        return ThroughputRun.Execute(args.ElementAtOrDefault(1) ?? "serving-throughput", args.ElementAtOrDefault(2));
    default:
        Console.Error.WriteLine("usage: Serving hostile [frames] [seed] | stress [requests] [clients] [seed] | decide [requests] [clients] [decider,...] [seed] | throughput [folder] [model.onnx]");
        return 2;
}

int Number(int index, int fallback) => args.Length > index ? int.Parse(args[index], CultureInfo.InvariantCulture) : fallback;
