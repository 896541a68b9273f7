using System.Diagnostics;
using CoInference.Runtime.Profiling;
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

    public ExecutionTarget Target => target;

    public void RunDevicePart(ReadOnlySpan<byte> image) => half.Compute(image);

    public void Encode(ReadOnlySpan<byte> image) => half.Encode(image, 1);

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
