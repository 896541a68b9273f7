using System.Diagnostics.Metrics;
using CoInference.Runtime.Codec;

namespace CoInference.Runtime.Transport.Telemetry;

/// <summary>
/// The instruments of one edge server, on a <see cref="Meter"/> named <see cref="MeterName"/>: anything that listens to meters,
/// such as OpenTelemetry or <see cref="PrometheusText"/>, can read them. Recording allocates nothing.
/// </summary>
internal sealed class EdgeMetrics : IDisposable
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "CoInference.Edge";

    // From 100 us to 10 s in steps of about 1 : 2.
    private static readonly double[] Seconds = [1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    private static readonly KeyValuePair<string, object?>[] Statuses =
        [.. Enum.GetValues<ReplyStatus>().Select(status => new KeyValuePair<string, object?>("status", status.ToString().ToLowerInvariant()))];

    private readonly Counter<long> _requests;
    private readonly Counter<long> _abandoned;
    private readonly Counter<long> _connections;
    private readonly Counter<long> _refusals;
    private readonly Counter<long> _received;
    private readonly Counter<long> _sent;
    private readonly Histogram<double> _queue;
    private readonly Histogram<double> _decode;
    private readonly Histogram<double> _compute;
    private readonly Histogram<double> _total;
    private readonly Histogram<int> _batch;

    /// <param name="server">Where the gauges are read.</param>
    public EdgeMetrics(EdgeServer server)
    {
        Meter = new Meter(MeterName);
        _requests = Meter.CreateCounter<long>("edge.requests", "{request}", "Requests answered, by status.");
        _abandoned = Meter.CreateCounter<long>("edge.requests.abandoned", "{request}", "Requests dropped because their connection was gone.");
        _connections = Meter.CreateCounter<long>("edge.connections", "{connection}", "Connections accepted.");
        _refusals = Meter.CreateCounter<long>("edge.connections.refused", "{connection}", "Connections turned away or cut because of what they sent.");
        _received = Meter.CreateCounter<long>("edge.received", "By", "Bytes of requests received, headers included.");
        _sent = Meter.CreateCounter<long>("edge.sent", "By", "Bytes of replies sent, headers included.");
        _queue = Time("edge.queue.duration", "Time of a request from its last byte to the start of decoding.");
        _decode = Time("edge.decode.duration", "Time in the feature decoder.");
        _compute = Time("edge.compute.duration", "Time of a run of the edge half, whatever its batch.");
        _total = Time("edge.request.duration", "Time of an answered request from its last byte to its outputs.");
        _batch = Meter.CreateHistogram("edge.batch.size", "{request}", "Requests in a run of the edge half.", advice: new InstrumentAdvice<int> { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32] });
        Meter.CreateObservableGauge("edge.clients", () => server.Clients, "{client}", "Clients connected and past their handshake.");
        Meter.CreateObservableGauge("edge.queued", () => server.Queued, "{request}", "Requests that wait for a free session.");
        Meter.CreateObservableGauge("edge.request.memory", () => server.RequestBytes, "By", "Memory lent to requests in flight.");
        Meter.CreateObservableGauge("edge.managed.memory", () => GC.GetTotalMemory(false), "By", "Managed heap.");
        Meter.CreateObservableGauge("edge.draining", () => server.IsStopping ? 1 : 0, null, "1 while the server finishes what it accepted before it stops.");
    }

    /// <summary>The meter of this server; tells its instruments from those of another server in the same process.</summary>
    public Meter Meter { get; }

    public void Dispose() => Meter.Dispose();

    public void Accepted() => _connections.Add(1);

    public void Refused() => _refusals.Add(1);

    public void Received(int bytes) => _received.Add(bytes);

    public void Sent(ReplyStatus status, int bytes)
    {
        _requests.Add(1, Statuses[(int)status]);
        _sent.Add(bytes);
    }

    public void Abandoned() => _abandoned.Add(1);

    public void Ran(int batch, TimeSpan compute)
    {
        _batch.Record(batch);
        _compute.Record(compute.TotalSeconds);
    }

    public void Answered(TimeSpan queue, TimeSpan decode, TimeSpan total)
    {
        _queue.Record(queue.TotalSeconds);
        _decode.Record(decode.TotalSeconds);
        _total.Record(total.TotalSeconds);
    }

    private Histogram<double> Time(string name, string description) =>
        Meter.CreateHistogram(name, "s", description, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = Seconds });
}
