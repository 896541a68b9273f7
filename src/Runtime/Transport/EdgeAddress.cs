using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace CoInference.Runtime.Transport;

/// <summary>Where an edge listens.</summary>
/// <param name="Host">Host name or IP address.</param>
/// <param name="Port">TCP port; 0, only for listening, lets the system choose.</param>
public sealed record EdgeAddress(string Host, int Port)
{
    /// <summary>Reads <c>HOST:PORT</c>; an IPv6 address stands in brackets, as in <c>[::1]:7070</c>.</summary>
    /// <exception cref="FormatException">The text is no address; the message says what was expected.</exception>
    public static EdgeAddress Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int colon = text.LastIndexOf(':');
        string host = colon < 0 ? "" : text[..colon];
        if (host is ['[', .. var inner, ']']) host = inner;
        else if (host.Contains(':', StringComparison.Ordinal)) host = "";
        if (host.Length == 0 || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
            throw new FormatException($"Address '{text}' is not of the form HOST:PORT, e.g. 192.168.1.20:7070 or [::1]:7070.");
        return new EdgeAddress(host, port);
    }

    /// <summary>The form that <see cref="Parse"/> reads.</summary>
    public override string ToString() => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";

    /// <summary>The end point to listen on.</summary>
    /// <exception cref="EdgeException">The host name cannot be resolved.</exception>
    internal IPEndPoint Resolve()
    {
        if (IPAddress.TryParse(Host, out IPAddress? address)) return new IPEndPoint(address, Port);
        try
        {
            return new IPEndPoint(Dns.GetHostAddresses(Host)[0], Port);
        }
        catch (SocketException failure)
        {
            throw new EdgeException($"Cannot resolve '{Host}': {failure.Message}.", failure);
        }
    }

    /// <summary>Opens a socket that listens here.</summary>
    /// <exception cref="EdgeException">The address cannot be resolved or listened on.</exception>
    internal Socket Listen(int backlog)
    {
        IPEndPoint endPoint = Resolve();
        var listener = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            listener.Bind(endPoint);
            listener.Listen(backlog);
            return listener;
        }
        catch (SocketException failure)
        {
            listener.Dispose();
            throw new EdgeException($"Cannot listen on {this}: {failure.Message}.", failure);
        }
    }
}
