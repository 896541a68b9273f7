using System.Security.Cryptography;
using System.Text;

namespace CoInference.Runtime.Transport;

/// <summary>
/// A secret that device and edge share. It never crosses the link: the edge sends a random challenge, and the device proves
/// that it knows the token by a keyed hash of the challenge and the bundle's id.
/// </summary>
/// <remarks>
/// The proof is HMAC-SHA-256 (RFC 2104) with the token as its key. It keeps strangers out and cannot be replayed; it does
/// not hide or protect what follows it, which is the task of TLS (<see cref="ServerTls"/>, <see cref="ClientTls"/>).
/// </remarks>
public sealed class AccessToken
{
    /// <summary>Fewest characters of a token: whoever reads a proof may guess at leisure.</summary>
    public const int MinLength = 16;

    private const int MaxFileBytes = 4096;

    private static readonly byte[] Purpose = "CoInference device proof 1\0"u8.ToArray();

    private readonly byte[] _key;

    /// <summary>Takes a token.</summary>
    /// <param name="token">The secret; at least <see cref="MinLength"/> characters.</param>
    /// <exception cref="InvalidDataException">The token is too short.</exception>
    public AccessToken(string token)
        : this(token, "The access token")
    {
    }

    private AccessToken(string token, string source)
    {
        ArgumentNullException.ThrowIfNull(token);
        if (token.Length < MinLength) throw new InvalidDataException($"{source} has {token.Length} characters, expected at least {MinLength}.");
        _key = Encoding.UTF8.GetBytes(token);
    }

    /// <summary>Reads a token from a file; white space around it is not part of it.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">The file is too long or the token too short; the message does not show it.</exception>
    public static AccessToken FromFile(string path)
    {
        if (new FileInfo(path) is { Exists: true, Length: > MaxFileBytes } file) throw new InvalidDataException($"Token file '{path}' has {file.Length} bytes, expected at most {MaxFileBytes}.");
        return new AccessToken(File.ReadAllText(path).Trim(), $"Token file '{path}'");
    }

    /// <summary>Reads a token from an environment variable.</summary>
    /// <exception cref="InvalidDataException">The variable is not set, or the token is too short; the message does not show it.</exception>
    public static AccessToken FromEnvironment(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { } token
            ? new AccessToken(token.Trim(), $"Environment variable {variable}")
            : throw new InvalidDataException($"Environment variable {variable}, which is to hold the access token, is not set.");

    /// <summary>What a device that knows the token answers to a challenge.</summary>
    /// <param name="nonce">The challenge.</param>
    /// <param name="bundleId">The bundle that the device announced.</param>
    internal byte[] Prove(ReadOnlySpan<byte> nonce, string bundleId)
    {
        byte[] message = [.. Purpose, .. nonce, .. Encoding.ASCII.GetBytes(bundleId)];
        return HMACSHA256.HashData(_key, message);
    }

    /// <summary>Whether a device knows the token; takes the same time whatever the proof is.</summary>
    internal bool Accepts(ReadOnlySpan<byte> proof, ReadOnlySpan<byte> nonce, string bundleId) =>
        CryptographicOperations.FixedTimeEquals(Prove(nonce, bundleId), proof);
}
