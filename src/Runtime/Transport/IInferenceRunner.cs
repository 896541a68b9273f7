using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Transport;

/// <summary>Answers images with a bundle, one at a time.</summary>
public interface IInferenceRunner : IDisposable
{
    /// <summary>The bundle that answers.</summary>
    Bundle Bundle { get; }

    /// <summary>Runs one image through the network.</summary>
    /// <param name="image">Bytes in CHW order, of the bundle's image shape.</param>
    /// <param name="logits">Receives one value per class.</param>
    /// <returns>Where the time went.</returns>
    /// <exception cref="ArgumentException">A length does not fit the bundle.</exception>
    /// <exception cref="EdgeException">The edge did not answer and nothing may stand in for it.</exception>
    InferenceTiming Run(ReadOnlySpan<byte> image, Span<float> logits);
}
