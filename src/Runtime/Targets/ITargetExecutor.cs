using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Targets;

/// <summary>Answers images in one way. Executors of one <see cref="TargetSet"/> share sessions and memory: one caller at a time for all of them.</summary>
internal interface ITargetExecutor
{
    /// <summary>The way.</summary>
    ExecutionTarget Target { get; }

    /// <summary>What it runs on the device before anything crosses; what remains of it in caches decides what a change of targets costs.</summary>
    /// <param name="image">Bytes in CHW order.</param>
    void RunDevicePart(ReadOnlySpan<byte> image);

    /// <summary>Encodes what <see cref="RunDevicePart"/> left; nothing when nothing crosses.</summary>
    /// <param name="image">The image.</param>
    void Encode(ReadOnlySpan<byte> image);

    /// <summary>Answers one image.</summary>
    /// <param name="image">Bytes in CHW order.</param>
    /// <param name="logits">Receives one value per class; undefined when there is no answer.</param>
    /// <param name="limit">Time after which an answer is of no use.</param>
    /// <param name="timing">Where the time went; without an answer, <see cref="InferenceTiming.LostMs"/> is what the attempt took.</param>
    /// <returns>Whether there is an answer.</returns>
    /// <exception cref="EdgeException">The edge does not admit this device, or serves other plans.</exception>
    bool TryRun(ReadOnlySpan<byte> image, Span<float> logits, TimeSpan limit, out InferenceTiming timing);
}
