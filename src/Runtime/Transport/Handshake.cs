using System.Buffers.Binary;
using CoInference.Kernels.Simd.Codec;

namespace CoInference.Runtime.Transport;

/// <summary>
/// How a connection begins. The device says which protocol it speaks and which bundle it runs. An edge that has an access
/// token answers with a challenge, and the device with its proof (see <see cref="AccessToken"/>). The edge then sends an
/// empty reply frame, whose status and message say whether the device may go on.
/// </summary>
/// <remarks>
/// Three messages of one layout, little-endian: magic u32 (<c>CIFH</c>, <c>CIFC</c>, <c>CIFP</c>), version u8, 3 zero bytes,
/// 32 bytes (SHA-256 of the bundle; nonce; proof), CRC-32C of all before it u32. The layout of the first message is that of
/// version 1, so that each side can tell the other's version and say so.
/// </remarks>
internal static class Handshake
{
    /// <summary>Length of each message.</summary>
    public const int Bytes = 44;

    /// <summary>Length of a nonce.</summary>
    public const int NonceBytes = 32;

    /// <summary>Version of the protocol.</summary>
    public const byte Version = 2;

    private const uint HelloMagic = 0x48464943; // "CIFH"
    private const uint ChallengeMagic = 0x43464943; // "CIFC"
    private const uint ProofMagic = 0x50464943; // "CIFP"
    private const int ContentOffset = 8;
    private const int ChecksumOffset = Bytes - 4;

    /// <summary>Writes the device's first message.</summary>
    /// <param name="message">Exactly <see cref="Bytes"/> bytes.</param>
    /// <param name="bundleId">SHA-256 of the bundle, lower-case hex.</param>
    public static void WriteHello(Span<byte> message, string bundleId)
    {
        Convert.FromHexString(bundleId, message[ContentOffset..ChecksumOffset], out _, out _);
        Seal(message, HelloMagic);
    }

    /// <summary>Reads the device's first message.</summary>
    /// <returns>The bundle's SHA-256, lower-case hex.</returns>
    /// <exception cref="InvalidDataException">The bytes are no handshake, or one of another protocol version.</exception>
    public static string ReadHello(ReadOnlySpan<byte> message) => Convert.ToHexStringLower(Open(message, HelloMagic, "the client"));

    /// <summary>Writes the edge's challenge.</summary>
    /// <param name="message">Exactly <see cref="Bytes"/> bytes.</param>
    /// <param name="nonce">Exactly <see cref="NonceBytes"/> random bytes.</param>
    public static void WriteChallenge(Span<byte> message, ReadOnlySpan<byte> nonce)
    {
        nonce.CopyTo(message[ContentOffset..ChecksumOffset]);
        Seal(message, ChallengeMagic);
    }

    /// <summary>Whether the first bytes of the edge's answer are those of a challenge and not of a reply frame.</summary>
    public static bool IsChallenge(ReadOnlySpan<byte> message) => BinaryPrimitives.ReadUInt32LittleEndian(message) == ChallengeMagic;

    /// <summary>Reads the edge's challenge.</summary>
    /// <returns>The nonce, a slice of <paramref name="message"/>.</returns>
    /// <exception cref="InvalidDataException">The bytes are no challenge.</exception>
    public static ReadOnlySpan<byte> ReadChallenge(ReadOnlySpan<byte> message) => Open(message, ChallengeMagic, "the edge");

    /// <summary>Writes the device's proof.</summary>
    /// <param name="message">Exactly <see cref="Bytes"/> bytes.</param>
    /// <param name="proof">What <see cref="AccessToken.Prove"/> gave.</param>
    public static void WriteProof(Span<byte> message, ReadOnlySpan<byte> proof)
    {
        proof.CopyTo(message[ContentOffset..ChecksumOffset]);
        Seal(message, ProofMagic);
    }

    /// <summary>Reads the device's proof.</summary>
    /// <returns>The proof, a slice of <paramref name="message"/>.</returns>
    /// <exception cref="InvalidDataException">The bytes are no proof.</exception>
    public static ReadOnlySpan<byte> ReadProof(ReadOnlySpan<byte> message) => Open(message, ProofMagic, "the client");

    private static void Seal(Span<byte> message, uint magic)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(message, magic);
        BinaryPrimitives.WriteUInt32LittleEndian(message[4..], Version);
        BinaryPrimitives.WriteUInt32LittleEndian(message[ChecksumOffset..], Crc32C.Compute(message[..ChecksumOffset]));
    }

    private static ReadOnlySpan<byte> Open(ReadOnlySpan<byte> message, uint magic, string sender)
    {
        if (BinaryPrimitives.ReadUInt32LittleEndian(message) != magic) throw new InvalidDataException($"Handshake: {sender} does not speak this protocol.");
        if (message[4] != Version) throw new InvalidDataException($"Handshake: {sender} speaks protocol version {message[4]}, this side speaks {Version}.");
        if (BinaryPrimitives.ReadUInt32LittleEndian(message[ChecksumOffset..]) != Crc32C.Compute(message[..ChecksumOffset]))
            throw new InvalidDataException("Handshake: the checksum does not match.");
        return message[ContentOffset..ChecksumOffset];
    }
}
