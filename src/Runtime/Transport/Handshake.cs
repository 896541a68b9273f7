using System.Buffers.Binary;
using CoInference.Kernels.Simd.Codec;

namespace CoInference.Runtime.Transport;

/// <summary>
/// The first message on a connection, sent by the device: which protocol it speaks and which bundle it runs. The edge
/// answers with an empty reply frame, whose status and message say whether it may go on.
/// </summary>
/// <remarks>
/// Layout, little-endian: magic u32, version u8, 3 zero bytes, SHA-256 of the bundle (32 bytes), CRC-32C of all before it u32.
/// </remarks>
internal static class Handshake
{
    /// <summary>Length of the message.</summary>
    public const int Bytes = 44;

    /// <summary>Version of the protocol.</summary>
    public const byte Version = 1;

    private const uint Magic = 0x48464943; // "CIFH"
    private const int ChecksumOffset = Bytes - 4;

    /// <summary>Writes the message.</summary>
    /// <param name="message">Exactly <see cref="Bytes"/> bytes.</param>
    /// <param name="bundleId">SHA-256 of the bundle, lower-case hex.</param>
    public static void Write(Span<byte> message, string bundleId)
    {
        message.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(message, Magic);
        message[4] = Version;
        Convert.FromHexString(bundleId, message[8..ChecksumOffset], out _, out _);
        BinaryPrimitives.WriteUInt32LittleEndian(message[ChecksumOffset..], Crc32C.Compute(message[..ChecksumOffset]));
    }

    /// <summary>Reads the message.</summary>
    /// <returns>The bundle's SHA-256, lower-case hex.</returns>
    /// <exception cref="InvalidDataException">The bytes are no handshake, or one of another protocol version.</exception>
    public static string Read(ReadOnlySpan<byte> message)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(message) != Magic) throw new InvalidDataException("Handshake: the client does not speak this protocol.");
        if (message[4] != Version) throw new InvalidDataException($"Handshake: the client speaks protocol version {message[4]}, this edge {Version}.");
        if (BinaryPrimitives.ReadUInt32LittleEndian(message[ChecksumOffset..]) != Crc32C.Compute(message[..ChecksumOffset]))
            throw new InvalidDataException("Handshake: the checksum does not match.");
        return Convert.ToHexStringLower(message[8..ChecksumOffset]);
    }
}
