using System.Security.Cryptography;
using System.Text;
using CoInference.Kernels.Gpu;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Execution;

/// <summary>
/// A folder of programs that device drivers compiled, so that a later process need not compile them again. One file per
/// program, named by the SHA-256 of what it depends on; a file that is broken counts as absent, and the oldest go when there
/// are too many.
/// </summary>
/// <param name="folder">The folder; made when the first program is kept.</param>
public sealed class ProgramCache(string folder) : IProgramCache
{
    private const int MaximumFiles = 2048;
    private const long MaximumBytes = 64L << 20;
    private const string Extension = ".program";

    /// <summary>The folder <c>programs</c> beside the kernel times; see <see cref="KernelCache.DefaultPath"/>.</summary>
    public static ProgramCache Default { get; } = new(Path.Combine(Path.GetDirectoryName(KernelCache.DefaultPath)!, "programs"));

    /// <inheritdoc/>
    public byte[]? Read(string key)
    {
        string path = PathOf(key);
        try
        {
            if (!File.Exists(path) || new FileInfo(path).Length is > MaximumBytes or <= SHA256.HashSizeInBytes) return null;
            byte[] content = File.ReadAllBytes(path);
            byte[] program = content[SHA256.HashSizeInBytes..];
            return SHA256.HashData(program).AsSpan().SequenceEqual(content.AsSpan(0, SHA256.HashSizeInBytes)) ? program : null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void Write(string key, ReadOnlySpan<byte> program)
    {
        if (program.IsEmpty || program.Length > MaximumBytes - SHA256.HashSizeInBytes) return;
        byte[] content = [.. SHA256.HashData(program), .. program];
        try
        {
            Directory.CreateDirectory(folder);
            AtomicFile.WriteBytes(PathOf(key), content);
            FileInfo[] files = new DirectoryInfo(folder).GetFiles("*" + Extension);
            if (files.Length <= MaximumFiles) return;
            foreach (FileInfo old in files.OrderBy(file => file.LastWriteTimeUtc).Take(files.Length - MaximumFiles)) old.Delete();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // A cache only saves time.
        }
    }

    private string PathOf(string key) => Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key))) + Extension);
}
