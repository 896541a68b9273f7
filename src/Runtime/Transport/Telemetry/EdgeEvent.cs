using System.Globalization;
using System.Text;
using System.Text.Json;

namespace CoInference.Runtime.Transport.Telemetry;

/// <summary>What happened at an edge.</summary>
public enum EdgeEventKind
{
    /// <summary>The server listens.</summary>
    Listening,

    /// <summary>A client passed its handshake.</summary>
    Connected,

    /// <summary>A client's connection ended as it should.</summary>
    Closed,

    /// <summary>A client was turned away, or its connection was cut because of what it sent.</summary>
    Refused,

    /// <summary>A client's connection broke.</summary>
    Lost,

    /// <summary>The server stops: it accepts nothing more and finishes what it has accepted.</summary>
    Stopping,

    /// <summary>The server has stopped.</summary>
    Stopped,

    /// <summary>A defect of this program; the message says where it showed.</summary>
    Fault,
}

/// <summary>One entry of an edge's log.</summary>
/// <param name="Time">When.</param>
/// <param name="Kind">What.</param>
/// <param name="Client">Number of the connection; 0 when it is about none.</param>
/// <param name="Remote">Address of the client; empty when it is about none.</param>
/// <param name="Message">For people.</param>
/// <param name="Answered">Requests answered on the connection, or by the server, so far.</param>
public readonly record struct EdgeEvent(DateTimeOffset Time, EdgeEventKind Kind, int Client, string Remote, string Message, long Answered)
{
    /// <summary>One line for people, without the time.</summary>
    public override string ToString()
    {
        string answered = Kind is EdgeEventKind.Connected or EdgeEventKind.Listening || (Client == 0 && Kind != EdgeEventKind.Stopped)
            ? ""
            : string.Create(CultureInfo.InvariantCulture, $"; {Answered} requests answered");
        return Client == 0 ? Message + answered : string.Create(CultureInfo.InvariantCulture, $"client {Client} ({Remote}): {Message}{answered}");
    }

    /// <summary>One line of JSON: <c>time</c>, <c>event</c>, <c>client</c>, <c>remote</c>, <c>message</c>, <c>answered</c>.</summary>
    public string ToJson()
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("time", Time.UtcDateTime);
            writer.WriteString("event", Kind.ToString().ToLowerInvariant());
            if (Client != 0)
            {
                writer.WriteNumber("client", Client);
                writer.WriteString("remote", Remote);
            }

            writer.WriteString("message", Message);
            writer.WriteNumber("answered", Answered);
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }
}
