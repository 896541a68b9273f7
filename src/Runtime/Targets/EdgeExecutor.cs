using System.Diagnostics;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Targets;

/// <summary>All layers, or those behind a cut, on the edge.</summary>
/// <param name="target">The target.</param>
/// <param name="half">The device's share.</param>
/// <param name="link">The way to the edge.</param>
/// <param name="slowdown">Emulates a slower device.</param>
internal sealed class EdgeExecutor(ExecutionTarget target, DeviceHalf half, EdgeLink link, Slowdown slowdown) : ITargetExecutor
{
    private ulong _requests;
    private byte[] _probe = [];

    public ExecutionTarget Target => target;

    public void RunDevicePart(ReadOnlySpan<byte> image) => half.Compute(image);

    public void Encode(ReadOnlySpan<byte> image)
    {
        Span<byte> frame = half.Encode(image, 1);
        if (_probe.Length == 0) _probe = frame.ToArray();
    }

    /// <summary>Sends the frame that was first encoded once more and waits for the reply, which is of no use but for its times.</summary>
    /// <param name="logits">Receives one value per class.</param>
    /// <param name="limit">Time to wait.</param>
    /// <param name="timing">Where the time went.</param>
    /// <returns>Whether the edge answered; at once false without a connection.</returns>
    /// <exception cref="EdgeException">The edge does not admit this device, or serves other plans.</exception>
    public bool TryProbe(Span<float> logits, TimeSpan limit, out InferenceTiming timing)
    {
        timing = new InferenceTiming { Source = AnswerSource.Edge };
        if (!link.IsConnected || _probe.Length == 0) return false;
        ulong requestId = ++_requests;
        FeatureFrame.WriteRequestId(_probe.AsSpan(0, FeatureFrame.RequestHeaderBytes), requestId);
        long started = Stopwatch.GetTimestamp();
        bool answered = link.TryAsk(_probe, requestId, limit, logits, out EdgeReply reply);
        timing = timing with { PayloadBytes = _probe.Length };
        timing = answered
            ? timing with { WireMs = reply.WireMs, QueueMs = reply.QueueMs, DecodeMs = reply.DecodeMs, EdgeMs = reply.EdgeMs }
            : timing with { LostMs = Stopwatch.GetElapsedTime(started).TotalMilliseconds };
        return answered;
    }

    public bool TryRun(ReadOnlySpan<byte> image, Span<float> logits, TimeSpan limit, out InferenceTiming timing)
    {
        long started = Stopwatch.GetTimestamp();
        ulong requestId = ++_requests;
        timing = new InferenceTiming { Source = AnswerSource.Edge };
        // Without a connection the device's share would be work for nothing.
        if (!link.IsConnected)
        {
            bool isUp = link.TryAsk([], requestId, TimeSpan.Zero, logits, out _);
            timing = timing with { LostMs = Stopwatch.GetElapsedTime(started).TotalMilliseconds };
            return isUp;
        }

        half.Compute(image);
        double deviceMs = slowdown.Finish(started);
        long encodeStarted = Stopwatch.GetTimestamp();
        Span<byte> frame = half.Encode(image, requestId);
        double encodeMs = slowdown.Finish(encodeStarted);
        long encoded = Stopwatch.GetTimestamp();
        timing = timing with { DeviceMs = deviceMs, EncodeMs = encodeMs, PayloadBytes = frame.Length };
        if (!link.TryAsk(frame, requestId, limit - Stopwatch.GetElapsedTime(started, encoded), logits, out EdgeReply reply))
        {
            timing = timing with { LostMs = Stopwatch.GetElapsedTime(encoded).TotalMilliseconds };
            return false;
        }

        timing = timing with { WireMs = reply.WireMs, QueueMs = reply.QueueMs, DecodeMs = reply.DecodeMs, EdgeMs = reply.EdgeMs };
        return true;
    }
}
