using System.Diagnostics;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Targets;

/// <summary>All layers on the device.</summary>
/// <param name="target">The target.</param>
/// <param name="half">The whole network.</param>
/// <param name="slowdown">Emulates a slower device.</param>
internal sealed class DeviceExecutor(ExecutionTarget target, DeviceHalf half, Slowdown slowdown) : ITargetExecutor
{
    public ExecutionTarget Target => target;

    public void RunDevicePart(ReadOnlySpan<byte> image) => half.Compute(image);

    public void Encode(ReadOnlySpan<byte> image)
    {
    }

    public bool TryRun(ReadOnlySpan<byte> image, Span<float> logits, TimeSpan limit, out InferenceTiming timing)
    {
        long started = Stopwatch.GetTimestamp();
        half.Compute(image);
        half.Output.CopyTo(logits);
        timing = new InferenceTiming { DeviceMs = slowdown.Finish(started), Source = AnswerSource.Local };
        return true;
    }
}
