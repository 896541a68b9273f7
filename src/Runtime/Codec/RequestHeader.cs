namespace CoInference.Runtime.Codec;

/// <summary>What a request says about its payload, one encoded feature.</summary>
/// <param name="PlanId">Identifies the plan whose device half made the feature.</param>
/// <param name="RequestId">Chosen by the device, echoed in the reply.</param>
/// <param name="Bits">Quantizer width, 1 to 8, or 32 for <see cref="EntropyMode.Raw"/>.</param>
/// <param name="Coder">How the symbols are written.</param>
/// <param name="Deadline">Time from the request's arrival at the edge after which its answer is of no use; zero for none.</param>
/// <param name="PayloadBytes">Length of the payload that follows the header.</param>
/// <param name="PayloadChecksum">CRC-32C of the payload.</param>
public readonly record struct RequestHeader(
    ulong PlanId,
    ulong RequestId,
    int Bits,
    EntropyMode Coder,
    TimeSpan Deadline,
    int PayloadBytes,
    uint PayloadChecksum);
