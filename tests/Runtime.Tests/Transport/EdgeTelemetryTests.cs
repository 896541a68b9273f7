using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using CoInference.Runtime.Transport;
using CoInference.Runtime.Transport.Telemetry;

namespace CoInference.Runtime.Tests.Transport;

public class EdgeTelemetryTests
{
    [Fact]
    public void Metrics_count_what_happened_and_health_says_when_the_server_stops()
    {
        using var running = new RunningServer();
        using var other = new RunningServer();
        using var endpoint = new MetricsEndpoint(running.Server, new EdgeAddress("127.0.0.1", 0));
        other.AssertServes();
        running.AssertServes();
        running.AssertServes();
        Assert.Throws<EdgeException>(() => EdgeClient.Connect(running.Server.Address, TestBundles.Split(bits: 5)));
        Assert.True(SpinWait.SpinUntil(() => running.Server.Clients == 0, 5000));
        string text = Get(endpoint.Address, "/metrics");
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", text);
        foreach (string line in (string[])
        [
            "# TYPE coinference_edge_requests_total counter", "coinference_edge_requests_total{status=\"ok\"} 2", "coinference_edge_connections_total 3",
            "coinference_edge_connections_refused_total 1", "# TYPE coinference_edge_clients gauge", "coinference_edge_clients 0", "coinference_edge_queued 0",
            "# TYPE coinference_edge_request_duration_seconds histogram", "coinference_edge_request_duration_seconds_bucket{le=\"+Inf\"} 2",
            "coinference_edge_request_duration_seconds_count 2", "coinference_edge_batch_size_bucket{le=\"1\"} 2", "coinference_edge_request_memory_bytes 0",
        ])
        {
            Assert.Contains(line + "\n", text);
        }

        string health = Get(endpoint.Address, "/healthz");
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", health);
        using JsonDocument document = JsonDocument.Parse(health[health.IndexOf("\r\n\r\n", StringComparison.Ordinal)..]);
        Assert.Equal("serving", document.RootElement.GetProperty("status").GetString());
        Assert.StartsWith("HTTP/1.1 404", Get(endpoint.Address, "/"));
        Assert.StartsWith("HTTP/1.1 400", Send(endpoint.Address, "nonsense\r\n\r\n"));
        Assert.StartsWith("HTTP/1.1 405", Send(endpoint.Address, "POST /metrics HTTP/1.1\r\n\r\n"));
        running.BeginStop();
        Assert.True(SpinWait.SpinUntil(() => running.Server.IsStopping, 5000));
        Assert.StartsWith("HTTP/1.1 503", Get(endpoint.Address, "/healthz"));
    }

    [Fact]
    public void Log_entries_are_lines_for_people_or_json()
    {
        using (var running = new RunningServer())
        {
            running.AssertServes();
            Assert.True(SpinWait.SpinUntil(() => running.Log.Any(entry => entry.Kind == EdgeEventKind.Closed), 5000));
            EdgeEvent closed = running.Log.First(entry => entry.Kind == EdgeEventKind.Closed);
            Assert.StartsWith($"client {closed.Client} (127.0.0.1:", closed.ToString());
            Assert.EndsWith("1 requests answered", closed.ToString());
            using JsonDocument document = JsonDocument.Parse(closed.ToJson());
            Assert.Equal("closed", document.RootElement.GetProperty("event").GetString());
            Assert.Equal(1, document.RootElement.GetProperty("answered").GetInt64());
            Assert.Equal(closed.Remote, document.RootElement.GetProperty("remote").GetString());
        }

        var spiteful = new EdgeEvent(DateTimeOffset.UnixEpoch, EdgeEventKind.Refused, 1, "x", "line\n\"break\"", 0);
        Assert.DoesNotContain('\n', spiteful.ToJson());
    }

    private static string Get(EdgeAddress address, string path) => Send(address, $"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");

    private static string Send(EdgeAddress address, string request)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 10_000 };
        socket.Connect(address.Host, address.Port);
        socket.Send(Encoding.ASCII.GetBytes(request));
        using var stream = new NetworkStream(socket);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
