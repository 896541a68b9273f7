namespace CoInference.Runtime.Transport;

/// <summary>What a batch size was measured to be worth when a server started.</summary>
/// <param name="Value">The value that the batch computes from: the feature of a cut, or the image.</param>
/// <param name="Size">Requests in the batch.</param>
/// <param name="Milliseconds">Median time of one run.</param>
/// <param name="SameBits">Whether its outputs are those of single runs bit for bit; a size for which they are not is never used.</param>
/// <param name="Used">Whether the server runs batches of this size.</param>
public sealed record BatchTime(string Value, int Size, double Milliseconds, bool SameBits, bool Used)
{
    /// <summary>Time per request.</summary>
    public double MillisecondsPerRequest => Milliseconds / Size;
}
