using System.Diagnostics;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Transport;

/// <summary>
/// Runs both halves of a bundle in this process, through the very frame that would cross the link, so that its answers
/// are bit for bit those of two processes on this kind of machine.
/// </summary>
public sealed class LocalRunner : IInferenceRunner
{
    private readonly DeviceHalf _device;
    private readonly EdgeHalf? _edge;
    private readonly Slowdown _slowdown;
    private ulong _requests;

    /// <summary>Prepares both halves.</summary>
    /// <param name="bundle">The bundle.</param>
    /// <param name="options">How its sessions are compiled; the batch size must be 1.</param>
    /// <param name="slowdown">Emulates a slower device: stretches the device's part, not the edge's. Null for none.</param>
    /// <param name="edge">How the session of the edge's half is compiled; null for as that of the device's.</param>
    public LocalRunner(Bundle bundle, SessionOptions? options = null, Slowdown? slowdown = null, SessionOptions? edge = null)
    {
        ArgumentNullException.ThrowIfNull(bundle);
        _slowdown = slowdown ?? Slowdown.None;
        Bundle = bundle;
        options ??= new SessionOptions();
        _device = new DeviceHalf(bundle, options);
        _edge = bundle.Edge is null ? null : new EdgeHalf(bundle, edge ?? options);
    }

    /// <inheritdoc/>
    public Bundle Bundle { get; }

    /// <inheritdoc/>
    public InferenceTiming Run(ReadOnlySpan<byte> image, Span<float> logits)
    {
        long start = Stopwatch.GetTimestamp();
        _device.Compute(image);
        double deviceMs = _slowdown.Finish(start);
        if (_edge is null)
        {
            _device.Output.CopyTo(logits);
            return new InferenceTiming { DeviceMs = deviceMs, Source = AnswerSource.Local };
        }

        long encodeStart = Stopwatch.GetTimestamp();
        ReadOnlySpan<byte> frame = _device.Encode(image, ++_requests);
        double encodeMs = _slowdown.Finish(encodeStart);
        long encoded = Stopwatch.GetTimestamp();
        _edge.Decode(frame);
        long decoded = Stopwatch.GetTimestamp();
        _edge.Compute(logits);
        long end = Stopwatch.GetTimestamp();
        return new InferenceTiming
        {
            DeviceMs = deviceMs,
            EncodeMs = encodeMs,
            DecodeMs = Milliseconds(encoded, decoded),
            EdgeMs = Milliseconds(decoded, end),
            PayloadBytes = frame.Length,
            Source = AnswerSource.Local,
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _device.Dispose();
        _edge?.Dispose();
    }

    private static double Milliseconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalMilliseconds;
}
