namespace CoInference.Runtime.Codec;

/// <summary>What a reply says about its body: first the outputs as float32, then the message as UTF-8.</summary>
/// <param name="PlanId">The plan the edge serves.</param>
/// <param name="RequestId">The request this answers.</param>
/// <param name="Status">The outcome.</param>
/// <param name="QueueMicroseconds">Time from the last byte of the request to the start of decoding.</param>
/// <param name="DecodeMicroseconds">Time in the feature decoder.</param>
/// <param name="ComputeMicroseconds">Time in the edge half of the network.</param>
/// <param name="OutputCount">Output values in the body; 0 unless the status is <see cref="ReplyStatus.Ok"/>.</param>
/// <param name="MessageBytes">UTF-8 bytes of the message; 0 when the status is <see cref="ReplyStatus.Ok"/>.</param>
/// <param name="RetryAfterMilliseconds">Time after which trying again may help; 0 for no hint.</param>
/// <param name="BodyChecksum">CRC-32C of the body.</param>
public readonly record struct ReplyHeader(
    ulong PlanId,
    ulong RequestId,
    ReplyStatus Status,
    uint QueueMicroseconds,
    uint DecodeMicroseconds,
    uint ComputeMicroseconds,
    int OutputCount,
    int MessageBytes,
    uint RetryAfterMilliseconds,
    uint BodyChecksum)
{
    /// <summary>Length of the body that follows the header.</summary>
    public int BodyBytes => checked((OutputCount * sizeof(float)) + MessageBytes);
}
