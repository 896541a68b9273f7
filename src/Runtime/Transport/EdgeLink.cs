using System.Diagnostics;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Conditions;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Transport;

/// <summary>
/// A device's connection to its edge for requests of all plans. A request is tried once, within a limit; when the connection is lost, it
/// is remade in the background, after growing pauses, and requests fail at once meanwhile: whoever chose the edge learns it, and
/// can answer otherwise. One request at a time.
/// </summary>
internal sealed class EdgeLink : IDisposable
{
    private readonly EdgeAddress _address;
    private readonly PlanSet _plans;
    private readonly EdgeClientOptions _options;
    private readonly Backoff _backoff;
    private readonly Action<string>? _log;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private EdgeClient? _client;
    private EdgeException? _refusal;
    private Task _connecting = Task.CompletedTask;

    /// <summary>Connects, or begins to.</summary>
    /// <param name="address">The edge.</param>
    /// <param name="plans">The plans.</param>
    /// <param name="options">Security, limits and the link to emulate.</param>
    /// <param name="backoff">Pauses between attempts.</param>
    /// <param name="estimator">Learns rate and round trip from what crosses.</param>
    /// <param name="log">Receives one line when the edge is lost, and one when it is back; may be null.</param>
    /// <exception cref="EdgeException">The edge does not admit this device, which will not change by itself.</exception>
    public EdgeLink(EdgeAddress address, PlanSet plans, EdgeClientOptions options, Backoff backoff, LinkEstimator estimator, Action<string>? log)
    {
        (_address, _plans, _options, _backoff, _log) = (address, plans, options, backoff, log);
        Estimator = estimator;
        try
        {
            _client = EdgeClient.Connect(address, plans, options);
        }
        catch (EdgeException failure) when (failure.IsTransient)
        {
            Lose(failure);
        }
    }

    /// <summary>Learns rate and round trip.</summary>
    public LinkEstimator Estimator { get; }

    /// <summary>Whether there is a connection now.</summary>
    public bool IsConnected
    {
        get
        {
            lock (_gate) return _client is not null;
        }
    }

    /// <summary>Sends one request and waits for its reply.</summary>
    /// <param name="frame">The request; its deadline is set here.</param>
    /// <param name="requestId">The id in the frame; not 0.</param>
    /// <param name="limit">Time after which the answer is of no use.</param>
    /// <param name="logits">Receives one value per class; undefined when there is no answer.</param>
    /// <param name="reply">Where the time went.</param>
    /// <returns>False when there is no answer: no connection, the limit passed, or the edge refused.</returns>
    /// <exception cref="EdgeException">The edge does not admit this device, or serves other plans.</exception>
    public bool TryAsk(Span<byte> frame, ulong requestId, TimeSpan limit, Span<float> logits, out EdgeReply reply)
    {
        EdgeClient? client;
        lock (_gate)
        {
            if (_refusal is { } refusal) throw new EdgeException(refusal.Message, refusal) { IsTransient = false, Status = refusal.Status };
            client = _client;
        }

        reply = default;
        if (client is null || limit <= TimeSpan.Zero) return false;
        long started = Stopwatch.GetTimestamp();
        try
        {
            FeatureFrame.WriteDeadline(frame[..FeatureFrame.RequestHeaderBytes], limit);
            reply = client.Request(frame, requestId, logits, limit);
            Estimator.Observe(frame.Length + FeatureFrame.ReplyBytes(logits.Length, ""), reply.WireMs / 1000);
            return true;
        }
        catch (EdgeException failure) when (failure.IsTransient)
        {
            if (failure.KeepsConnection) return false;
            Estimator.ObserveLoss(frame.Length, Stopwatch.GetElapsedTime(started).TotalSeconds);
            Lose(failure);
            return false;
        }
    }

    /// <summary>Closes the connection and stops making new ones.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        _connecting.GetAwaiter().GetResult();
        _client?.Dispose();
        _stop.Dispose();
    }

    private void Lose(EdgeException failure)
    {
        lock (_gate)
        {
            _client?.Dispose();
            _client = null;
            _connecting = Task.Factory.StartNew(Reconnect, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }

        _log?.Invoke(failure.Message);
    }

    private void Reconnect()
    {
        // An edge that was there a moment ago may only have closed an idle connection: the first attempt costs no pause.
        for (TimeSpan pause = TimeSpan.Zero; !_stop.Token.WaitHandle.WaitOne(pause); pause = _backoff.Next())
        {
            try
            {
                EdgeClient client = EdgeClient.Connect(_address, _plans, _options);
                lock (_gate) _client = client;
                _backoff.Reset();
                _log?.Invoke($"edge {_address}: connected again");
                return;
            }
            catch (EdgeException failure)
            {
                if (failure.IsTransient) continue;
                lock (_gate) _refusal = failure;
                return;
            }
        }
    }
}
