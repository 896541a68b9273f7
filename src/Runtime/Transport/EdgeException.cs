using CoInference.Runtime.Codec;

namespace CoInference.Runtime.Transport;

/// <summary>Device and edge could not work together; the message names the address, the request and what happened.</summary>
public sealed class EdgeException : IOException
{
    /// <summary>Creates the exception.</summary>
    public EdgeException()
    {
    }

    /// <summary>Creates the exception.</summary>
    public EdgeException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception.</summary>
    public EdgeException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }

    /// <summary>
    /// Whether trying again may help: false when the two sides hold different bundles or tokens, do not trust each other's
    /// certificates or speak different protocols, which stays so until somebody changes one of them.
    /// </summary>
    public bool IsTransient { get; init; } = true;

    /// <summary>What the edge replied; null when no valid reply came.</summary>
    public ReplyStatus? Status { get; init; }

    /// <summary>Time after which the edge asks to try again; zero when it named none.</summary>
    public TimeSpan RetryAfter { get; init; }

    /// <summary>Whether the connection is still sound, so that the next request may use it.</summary>
    internal bool KeepsConnection => Status is ReplyStatus.Busy or ReplyStatus.Expired or ReplyStatus.Cancelled or ReplyStatus.Failed;
}
