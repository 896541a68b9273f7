using System.Diagnostics;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Transport;

/// <summary>
/// The device: runs its half, sends the feature to the edge and returns the edge's answer. When the edge does not answer,
/// it reconnects and sends the request again, after growing pauses; meanwhile it answers alone, waits or fails, as the
/// options say. Every image gets exactly one answer or one exception.
/// </summary>
public sealed class DeviceRunner : IInferenceRunner
{
    private readonly EdgeAddress _address;
    private readonly DeviceRunnerOptions _options;
    private readonly DeviceHalf _device;
    private readonly EdgeHalf? _fallback;
    private readonly Slowdown _slowdown;
    private EdgeClient? _client;
    private readonly Backoff _backoff;
    private long _retryAt;
    private ulong _requests;

    /// <summary>Prepares the device half, and for the fallback the edge half too, and connects.</summary>
    /// <param name="bundle">The bundle; it must have an edge half.</param>
    /// <param name="address">The edge.</param>
    /// <param name="options">How to run.</param>
    /// <exception cref="InvalidDataException">The bundle runs the whole network on the device; use <see cref="LocalRunner"/>.</exception>
    /// <exception cref="EdgeException">The edge cannot be reached and no fallback is allowed, or it serves another bundle.</exception>
    public DeviceRunner(Bundle bundle, EdgeAddress address, DeviceRunnerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(bundle);
        ArgumentNullException.ThrowIfNull(address);
        if (bundle.Edge is null) throw new InvalidDataException("The bundle runs the whole network on the device: there is nothing to ask an edge.");
        Bundle = bundle;
        _address = address;
        _options = options ?? new DeviceRunnerOptions();
        _slowdown = _options.Slowdown;
        _backoff = new Backoff(_options.ReconnectInterval, _options.MaxReconnectInterval, _options.Seed is { } seed ? new Random(seed) : new Random());
        _device = new DeviceHalf(bundle, _options.Session);
        try
        {
            if (_options.FallbackToDevice) _fallback = new EdgeHalf(bundle, _options.Session);
            _client = EdgeClient.Connect(address, bundle, _options.Client);
        }
        catch (EdgeException failure) when (_fallback is not null && failure.IsTransient)
        {
            _retryAt = Stopwatch.GetTimestamp() + Ticks(_backoff.Next());
            Lose(failure);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public Bundle Bundle { get; }

    /// <inheritdoc/>
    public InferenceTiming Run(ReadOnlySpan<byte> image, Span<float> logits)
    {
        ulong requestId = ++_requests;
        long start = Stopwatch.GetTimestamp();
        _device.Compute(image);
        double deviceMs = _slowdown.Finish(start);
        long encodeStart = Stopwatch.GetTimestamp();
        Span<byte> frame = _device.Encode(image, requestId);
        double encodeMs = _slowdown.Finish(encodeStart);
        long encoded = Stopwatch.GetTimestamp();
        var timing = new InferenceTiming { DeviceMs = deviceMs, EncodeMs = encodeMs };

        if (TryAsk(frame, requestId, start, logits, out EdgeReply reply, out long asked))
        {
            return timing with
            {
                WireMs = reply.WireMs,
                QueueMs = reply.QueueMs,
                DecodeMs = reply.DecodeMs,
                EdgeMs = reply.EdgeMs,
                LostMs = Milliseconds(encoded, asked),
                PayloadBytes = frame.Length,
                Source = AnswerSource.Edge,
            };
        }

        // The answer goes through the codec even though nothing crosses: which answer an image gets does not depend on
        // whether the edge was there.
        long gaveUp = Stopwatch.GetTimestamp();
        _fallback!.Decode(frame);
        _fallback.Compute(logits);
        return timing with
        {
            DeviceMs = deviceMs + _slowdown.Finish(gaveUp),
            LostMs = Milliseconds(encoded, gaveUp),
            Source = AnswerSource.Fallback,
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _client?.Dispose();
        _device.Dispose();
        _fallback?.Dispose();
    }

    /// <returns>False when the device has to answer alone.</returns>
    /// <exception cref="EdgeException">No answer, and no fallback.</exception>
    private bool TryAsk(Span<byte> frame, ulong requestId, long start, Span<float> logits, out EdgeReply reply, out long asked)
    {
        asked = Stopwatch.GetTimestamp();
        reply = default;
        if (_fallback is not null && asked < _retryAt) return false;
        long deadline = _options.Deadline is { } limit ? start + Ticks(limit) : long.MaxValue;
        long giveUp = _fallback is null ? asked + Ticks(_options.RecoveryTime) : asked;
        EdgeException? first = null;
        for (int attempt = 1; ; attempt++)
        {
            bool wasConnected = _client is not null;
            try
            {
                Connect();
                asked = Stopwatch.GetTimestamp();
                FeatureFrame.WriteDeadline(frame[..FeatureFrame.RequestHeaderBytes], TimeLeft(deadline, asked));
                reply = _client!.Request(frame, requestId, logits);
                _backoff.Reset();
                _retryAt = 0;
                return true;
            }
            catch (EdgeException failure)
            {
                if (!failure.KeepsConnection) Disconnect();
                if (!failure.IsTransient) throw;
                EdgeException whole = first is null ? failure : new EdgeException($"{first.Message} Trying again failed too: {failure.Message}", failure) { Status = failure.Status };
                first ??= failure;
                bool again = failure.Status != ReplyStatus.Expired && Stopwatch.GetTimestamp() < deadline;
                // An edge that was there a moment ago may have closed an idle connection: that costs no pause.
                if (again && attempt == 1 && wasConnected && !failure.KeepsConnection) continue;
                long retryAt = Stopwatch.GetTimestamp() + Ticks(Longer(_backoff.Next(), failure.RetryAfter));
                if (again && retryAt < Math.Min(giveUp, deadline))
                {
                    Slowdown.WaitUntil(retryAt);
                    continue;
                }

                if (_fallback is null) throw whole;
                _retryAt = retryAt;
                Lose(whole);
                return false;
            }
        }
    }

    private void Connect()
    {
        if (_client is not null) return;
        _client = EdgeClient.Connect(_address, Bundle, _options.Client);
        _options.Log?.Invoke($"edge {_address}: connected again");
    }

    private void Disconnect()
    {
        _client?.Dispose();
        _client = null;
    }

    /// <summary>Time for which the edge's answer is of use: until the deadline, and not longer than this side waits.</summary>
    private TimeSpan TimeLeft(long deadline, long now)
    {
        TimeSpan timeout = _options.Client.RequestTimeout;
        return deadline - now < Ticks(timeout) ? Stopwatch.GetElapsedTime(now, deadline) : timeout;
    }

    private void Lose(EdgeException failure) => _options.Log?.Invoke($"{failure.Message} The device answers alone.");

    private static TimeSpan Longer(TimeSpan a, TimeSpan b) => a > b ? a : b;

    private static long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);

    private static double Milliseconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalMilliseconds;
}
