using System.IO.Compression;

namespace CoInference.Runtime.Data;

/// <summary>Finds and reads the files of a data set, plain or gzip-compressed.</summary>
internal static class DataFiles
{
    /// <summary>The largest file that is read, decompressed, in bytes.</summary>
    private const int MaxBytes = 1 << 30;

    /// <summary>Throws unless <paramref name="folder"/> exists.</summary>
    /// <exception cref="InvalidDataException">It does not.</exception>
    public static void RequireFolder(string folder)
    {
        if (!Directory.Exists(folder)) throw new InvalidDataException($"Data folder '{folder}' does not exist.");
    }

    /// <summary>Reads a whole file; a name ending in <c>.gz</c> is decompressed.</summary>
    /// <exception cref="InvalidDataException">The file is not valid gzip or is larger than 1 GiB.</exception>
    public static byte[] Read(string path)
    {
        using FileStream file = File.OpenRead(path);
        bool compressed = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);
        if (!compressed && file.Length > MaxBytes) throw TooLarge(path);
        if (!compressed)
        {
            var plain = new byte[file.Length];
            file.ReadExactly(plain);
            return plain;
        }

        using var unpacked = new MemoryStream();
        using var gzip = new GZipStream(file, CompressionMode.Decompress);
        var chunk = new byte[1 << 16];
        int read;
        while ((read = ReadChunk(gzip, chunk, path)) > 0)
        {
            if (unpacked.Length + read > MaxBytes) throw TooLarge(path);
            unpacked.Write(chunk, 0, read);
        }

        return unpacked.ToArray();
    }

    private static int ReadChunk(GZipStream gzip, byte[] chunk, string path)
    {
        try
        {
            return gzip.Read(chunk);
        }
        catch (Exception broken) when (broken is InvalidDataException or IOException)
        {
            throw new InvalidDataException($"'{path}' is not a valid gzip file: {broken.Message}", broken);
        }
    }

    private static InvalidDataException TooLarge(string path) => new($"'{path}' holds more than {MaxBytes} bytes, too many for a data file.");
}
