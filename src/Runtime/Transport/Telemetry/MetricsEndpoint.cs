using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace CoInference.Runtime.Transport.Telemetry;

/// <summary>
/// Answers <c>GET /metrics</c> with an edge server's metrics in Prometheus text and <c>GET /healthz</c> with its health: 200 while
/// it serves, 503 when it stops. Plain HTTP/1.1, one request per connection; meant for an address that only those who watch the edge can reach.
/// </summary>
public sealed class MetricsEndpoint : IDisposable
{
    private const int MaxRequestBytes = 8192;
    private const int MaxConnections = 16;

    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan AcceptPause = TimeSpan.FromMilliseconds(50);

    private readonly EdgeServer _server;
    private readonly PrometheusText _metrics;
    private readonly Socket _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _connections = new(MaxConnections);
    private readonly DateTime _started = DateTime.UtcNow;
    private readonly Task _running;

    /// <summary>Listens, and answers until it is disposed.</summary>
    /// <param name="server">The server to report on.</param>
    /// <param name="address">Address and port to listen on; port 0 lets the system choose.</param>
    /// <exception cref="EdgeException">The address cannot be listened on.</exception>
    public MetricsEndpoint(EdgeServer server, EdgeAddress address)
    {
        ArgumentNullException.ThrowIfNull(server);
        ArgumentNullException.ThrowIfNull(address);
        _server = server;
        _listener = address.Listen(backlog: MaxConnections);
        Address = new EdgeAddress(address.Host, ((IPEndPoint)_listener.LocalEndPoint!).Port);
        _metrics = new PrometheusText(server.Metrics.Meter);
        _running = RunAsync();
    }

    /// <summary>Where it listens, with the port that the system chose.</summary>
    public EdgeAddress Address { get; }

    /// <summary>Stops to listen.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
        _running.GetAwaiter().GetResult();
        _metrics.Dispose();
        _stop.Dispose();
        _connections.Dispose();
    }

    private async Task RunAsync()
    {
        var open = new HashSet<Task>();
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await _connections.WaitAsync(_stop.Token).ConfigureAwait(false);
                open.RemoveWhere(task => task.IsCompleted);
                open.Add(AnswerAsync(await _listener.AcceptAsync(_stop.Token).ConfigureAwait(false)));
            }
            catch (Exception failure) when (failure is OperationCanceledException or ObjectDisposedException)
            {
                break;
            }
            catch (SocketException)
            {
                // Out of file descriptors, or a client that left again: the next one may be served.
                _connections.Release();
                await Task.Delay(AcceptPause).ConfigureAwait(false);
            }
        }

        await Task.WhenAll(open).ConfigureAwait(false);
    }

    private async Task AnswerAsync(Socket socket)
    {
        try
        {
            using (socket)
            using (var deadline = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token))
            {
                deadline.CancelAfter(RequestTimeout);
                (string status, string type, string body) = Respond(await ReadAsync(socket, deadline.Token).ConfigureAwait(false));
                string head = string.Create(CultureInfo.InvariantCulture,
                    $"HTTP/1.1 {status}\r\nContent-Type: {type}; charset=utf-8\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
                ReadOnlyMemory<byte> answer = Encoding.UTF8.GetBytes(head + body);
                while (!answer.IsEmpty) answer = answer[await socket.SendAsync(answer, SocketFlags.None, deadline.Token).ConfigureAwait(false)..];
                socket.Shutdown(SocketShutdown.Send);
            }
        }
        catch (Exception failure) when (failure is SocketException or OperationCanceledException)
        {
            // Whoever asked has left or takes too long.
        }
        finally
        {
            _connections.Release();
        }
    }

    /// <returns>The request's first line and headers; what came until the limit when they do not end.</returns>
    private static async Task<string> ReadAsync(Socket socket, CancellationToken cancellation)
    {
        var buffer = new byte[MaxRequestBytes];
        int received = 0;
        while (received < buffer.Length)
        {
            int count = await socket.ReceiveAsync(buffer.AsMemory(received), SocketFlags.None, cancellation).ConfigureAwait(false);
            received += count;
            if (count == 0 || buffer.AsSpan(0, received).IndexOf("\r\n\r\n"u8) >= 0) break;
        }

        return Encoding.ASCII.GetString(buffer, 0, received);
    }

    private (string Status, string Type, string Body) Respond(string request)
    {
        string[] words = request.Split("\r\n", 2)[0].Split(' ');
        if (words is not [var method, var target, ['H', 'T', 'T', 'P', '/', '1', '.', _]]) return ("400 Bad Request", "text/plain", "not an HTTP request\n");
        if (method != "GET") return ("405 Method Not Allowed", "text/plain", "GET only\n");
        return target.Split('?')[0] switch
        {
            "/metrics" => ("200 OK", "text/plain; version=0.0.4", _metrics.Write()),
            "/healthz" => (_server.IsStopping ? "503 Service Unavailable" : "200 OK", "application/json", Health()),
            _ => ("404 Not Found", "text/plain", "there are /metrics and /healthz\n"),
        };
    }

    private string Health() => string.Create(CultureInfo.InvariantCulture,
        $$"""{"status":"{{(_server.IsStopping ? "stopping" : "serving")}}","bundle":"{{_server.Plans.Id}}","clients":{{_server.Clients}},"queued":{{_server.Queued}},"answered":{{_server.Answered}},"uptimeSeconds":{{(DateTime.UtcNow - _started).TotalSeconds:F0}}}""") + "\n";
}
