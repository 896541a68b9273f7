using System.Buffers.Text;
using Microsoft.Win32.SafeHandles;

namespace CoInference.Runtime.Conditions;

/// <summary>A file of the kernel that is read again and again: opened once, read from its start each time, without allocating.</summary>
internal sealed class PolledFile : IDisposable
{
    private readonly SafeFileHandle _file;
    private readonly byte[] _buffer;

    private PolledFile(SafeFileHandle file, int bytes) => (_file, _buffer) = (file, new byte[bytes]);

    /// <summary>Opens a file; null when it is not there, or cannot be read.</summary>
    /// <param name="path">The file.</param>
    /// <param name="bytes">Bytes of its start that matter.</param>
    public static PolledFile? TryOpen(string path, int bytes)
    {
        try
        {
            var polled = new PolledFile(File.OpenHandle(path), bytes);
            if (!polled.Read().IsEmpty) return polled;
            polled.Dispose();
            return null;
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return null;
        }
    }

    /// <summary>What the file starts with now; empty when it cannot be read any more. Valid until the next read.</summary>
    public ReadOnlySpan<byte> Read()
    {
        try
        {
            return _buffer.AsSpan(0, RandomAccess.Read(_file, _buffer, 0));
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>The file as one number; NaN when it is none.</summary>
    public double ReadNumber() => Utf8Parser.TryParse(Read(), out long value, out _) ? value : double.NaN;

    public void Dispose() => _file.Dispose();
}
