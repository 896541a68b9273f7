using Google.Protobuf;

namespace CoInference.Runtime.Onnx;

/// <summary>Parses protobuf messages from files that may be damaged.</summary>
internal static class ProtobufReader
{
    /// <summary>Parses a message.</summary>
    /// <param name="parser">The parser of the message type.</param>
    /// <param name="bytes">The whole message.</param>
    /// <param name="source">What messages call it.</param>
    /// <param name="kind">What it should be, e.g. <c>an ONNX model</c>.</param>
    /// <exception cref="InvalidDataException">The bytes are no such message.</exception>
    public static T Parse<T>(MessageParser<T> parser, byte[] bytes, string source, string kind)
        where T : IMessage<T>
    {
        try
        {
            return parser.ParseFrom(bytes);
        }
        catch (InvalidProtocolBufferException error)
        {
            throw new InvalidDataException($"{source} is not {kind}: {error.Message}", error);
        }
        catch (IndexOutOfRangeException error)
        {
            // For some damaged lengths the protobuf library relies on the bounds check of its buffer.
            throw new InvalidDataException($"{source} is not {kind}: a length points outside the file.", error);
        }
    }
}
