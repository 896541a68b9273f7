using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Transport;

/// <summary>How a device talks to its edge.</summary>
public sealed record EdgeClientOptions
{
    /// <summary>TLS; null for plain TCP. The caller keeps ownership.</summary>
    public ClientTls? Tls { get; init; }

    /// <summary>The secret that the edge asks for; null when there is none. It is used only when the edge asks.</summary>
    public AccessToken? Token { get; init; }

    /// <summary>Time to connect and to be admitted.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>
    /// Time from sending a request to the last byte of its reply. The edge is told, and does not compute a request that has
    /// waited longer.
    /// </summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Link to emulate; null for the network as it is. Shapes requests and replies, not connecting.</summary>
    public LinkSpec? Link { get; init; }

    /// <summary>Recorded link to emulate in place of <see cref="Link"/>; null for none. Connections that share it share its clock.</summary>
    public RecordedLink? Recording { get; init; }
}
