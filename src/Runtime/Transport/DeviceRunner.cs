using System.Diagnostics;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Transport;

/// <summary>
/// The device: runs its half, sends the feature to the edge and returns the edge's answer. When the edge does not answer,
/// it reconnects once per request; after that it either answers alone or fails, as the options say.
/// </summary>
public sealed class DeviceRunner : IInferenceRunner
{
    private readonly EdgeAddress _address;
    private readonly DeviceRunnerOptions _options;
    private readonly DeviceHalf _device;
    private readonly EdgeHalf? _fallback;
    private readonly Slowdown _slowdown;
    private EdgeClient? _client;
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
        _device = new DeviceHalf(bundle, _options.Session);
        try
        {
            if (_options.FallbackToDevice) _fallback = new EdgeHalf(bundle, _options.Session);
            _client = EdgeClient.Connect(address, bundle, _options.Client);
        }
        catch (EdgeException failure) when (_fallback is not null && failure.IsTransient)
        {
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
        ReadOnlySpan<byte> frame = _device.Encode(image, requestId);
        double encodeMs = _slowdown.Finish(encodeStart);
        long encoded = Stopwatch.GetTimestamp();
        var timing = new InferenceTiming { DeviceMs = deviceMs, EncodeMs = encodeMs };

        if (TryAsk(frame, requestId, logits, out EdgeReply reply, out long asked))
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
    private bool TryAsk(ReadOnlySpan<byte> frame, ulong requestId, Span<float> logits, out EdgeReply reply, out long asked)
    {
        asked = Stopwatch.GetTimestamp();
        reply = default;
        if (_client is null && asked < _retryAt) return false;
        EdgeException? first = null;
        while (true)
        {
            try
            {
                if (_client is null)
                {
                    _client = EdgeClient.Connect(_address, Bundle, _options.Client);
                    _options.Log?.Invoke($"edge {_address}: connected again");
                }

                asked = Stopwatch.GetTimestamp();
                reply = _client.Request(frame, requestId, logits);
                return true;
            }
            catch (EdgeException failure)
            {
                bool wasConnected = _client is not null;
                _client?.Dispose();
                _client = null;
                if (!failure.IsTransient) throw;
                if (wasConnected && first is null)
                {
                    first = failure;
                    continue;
                }

                EdgeException whole = first is null ? failure : new EdgeException($"{first.Message} Trying again failed too: {failure.Message}", failure);
                if (_fallback is null) throw whole;
                Lose(whole);
                return false;
            }
        }
    }

    private void Lose(EdgeException failure)
    {
        _retryAt = Stopwatch.GetTimestamp() + (long)(_options.ReconnectInterval.TotalSeconds * Stopwatch.Frequency);
        _options.Log?.Invoke($"{failure.Message} The device answers alone.");
    }

    private static double Milliseconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalMilliseconds;
}
