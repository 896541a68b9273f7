using System.Security.Cryptography;
using System.Text;
using CoInference.Kernels.Gpu;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Execution;

/// <summary>Compiled device programs in a folder, one file each, shared by all processes of the user.</summary>
/// <remarks>
/// The key holds everything that a program depends on: source, constants, device, driver. A file's name is the SHA-256 of its key; its
/// content is the SHA-256 of the program and the program, so that what a full disk or another hand cut short is not taken for one.
/// A cache that cannot be written is one without entries.
/// </remarks>
/// <param name="folder">Created when it does not exist.</param>
public sealed class ProgramCache(string folder) : IProgramCache
{
    private const long MaximumBytes = 256L << 20;

    /// <summary>The folder <c>programs</c> beside the cache of kernel times.</summary>
    public static ProgramCache Default => new(Path.Combine(KernelCache.DefaultFolder, "programs"));

    /// <inheritdoc/>
    public byte[]? Read(string key)
    {
        string path = PathOf(key);
        try
        {
            var file = new FileInfo(path);
            if (!file.Exists || file.Length <= SHA256.HashSizeInBytes || file.Length > MaximumBytes) return null;
            byte[] content = File.ReadAllBytes(path);
            if (content.Length <= SHA256.HashSizeInBytes) return null;
            ReadOnlySpan<byte> program = content.AsSpan(SHA256.HashSizeInBytes);
            return SHA256.HashData(program).AsSpan().SequenceEqual(content.AsSpan(0, SHA256.HashSizeInBytes)) ? program.ToArray() : null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void Write(string key, ReadOnlySpan<byte> program)
    {
        if (program.IsEmpty) return;
        byte[] content = [.. SHA256.HashData(program), .. program];
        try
        {
            AtomicFile.WriteBytes(PathOf(key), content);
        }
        catch (IOException)
        {
            // The next process compiles again.
        }
    }

    private string PathOf(string key) => Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key))) + ".bin");
}
