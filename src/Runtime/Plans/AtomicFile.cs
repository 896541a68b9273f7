using System.Text;

namespace CoInference.Runtime.Plans;

/// <summary>Writes files so that a reader sees the old content or the new one, and never a part of either.</summary>
/// <remarks>
/// The content goes to a temporary name in the same folder, is flushed to the disk, and is then renamed over the target:
/// a rename inside one file system is atomic, and flushing first keeps a power cut from leaving an empty file behind.
/// </remarks>
public static class AtomicFile
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    /// <summary>Creates or replaces a file with what <paramref name="write"/> puts into the stream.</summary>
    /// <param name="path">File to write; its folder is created when it does not exist.</param>
    /// <param name="write">Writes the content; when it throws, the target stays as it was and the exception is passed on.</param>
    /// <exception cref="IOException">The file cannot be written; the message names it and the reason.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        string target = Path.GetFullPath(path);
        if (Directory.Exists(target)) throw new IOException($"Cannot write '{path}': it is a folder.");
        string temporary = Path.Combine(Path.GetDirectoryName(target) ?? ".", $".{Path.GetFileName(target)}.{Path.GetRandomFileName()}.tmp");
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(temporary)!);
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, target, overwrite: true);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException)
        {
            // A write beyond the largest file that the system allows surfaces as an argument out of range.
            throw new IOException($"Cannot write '{path}': {failure.Message}", failure);
        }
        finally
        {
            Remove(temporary);
        }
    }

    /// <summary>Creates or replaces a file with <paramref name="content"/>.</summary>
    /// <exception cref="IOException">The file cannot be written; the message names it and the reason.</exception>
    public static void WriteBytes(string path, ReadOnlyMemory<byte> content) => Write(path, stream => stream.Write(content.Span));

    /// <summary>Creates or replaces a text file; UTF-8 without a byte-order mark.</summary>
    /// <exception cref="IOException">The file cannot be written; the message names it and the reason.</exception>
    public static void WriteText(string path, string text) => WriteBytes(path, Utf8.GetBytes(text));

    private static void Remove(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The failure that brought us here says more than that its leftovers could not be removed.
        }
    }
}
