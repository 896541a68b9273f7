using System.Buffers;
using System.Security.Cryptography;

namespace CoInference.Runtime.Plans;

/// <summary>SHA-256 of files and contents, as lower-case hex: how plans and bundles name what they were made from.</summary>
public static class ModelHash
{
    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdef");

    /// <summary>Characters of a hash.</summary>
    public const int HexLength = SHA256.HashSizeInBytes * 2;

    /// <summary>Hash of a file.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static string OfFile(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    /// <summary>Hash of bytes in memory.</summary>
    public static string Of(ReadOnlySpan<byte> content) => Convert.ToHexStringLower(SHA256.HashData(content));

    /// <summary>Whether <paramref name="text"/> has the form of a hash: 64 lower-case hexadecimal digits.</summary>
    public static bool IsHash(string? text) => text is { Length: HexLength } && !text.AsSpan().ContainsAnyExcept(HexDigits);
}
