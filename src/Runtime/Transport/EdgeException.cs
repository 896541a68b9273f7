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
    /// Whether trying again may help: false when the two sides hold different bundles or speak different protocols, which
    /// stays so until somebody changes one of them.
    /// </summary>
    public bool IsTransient { get; init; } = true;
}
