using System.Buffers.Binary;
using System.IO.Compression;

namespace CoInference.Runtime.Data;

/// <summary>How the PNG writer chooses the filter of each row.</summary>
public enum PngFilterChoice
{
    /// <summary>Per row the filter whose residuals have the smallest sum of magnitudes, the heuristic the PNG specification recommends.</summary>
    Adaptive,

    /// <summary>The smallest of six whole encodings: adaptive and each filter alone. About four times slower for a few bytes.</summary>
    Smallest,
}

/// <summary>Writes 8-bit gray, RGB and RGBA images as PNG with no chunk beyond the required ones.</summary>
public static class PngEncoder
{
    private const int Filters = 5;

    /// <summary>Writes one image.</summary>
    /// <param name="image">1, 3 or 4 channels.</param>
    /// <param name="filter">How row filters are chosen.</param>
    /// <param name="level">Effort of the deflate compressor.</param>
    /// <exception cref="ArgumentException">The image has another number of channels, an empty side, or too few bytes.</exception>
    public static byte[] Encode(PixelImage image, PngFilterChoice filter = PngFilterChoice.Adaptive, CompressionLevel level = CompressionLevel.SmallestSize)
    {
        if (image.Channels is not (1 or 3 or 4)) throw new ArgumentException($"A PNG of {image.Channels} channels cannot be written; 1, 3 and 4 can.", nameof(image));
        if (image.Height < 1 || image.Width < 1 || image.Pixels.Length != (long)image.Height * image.Width * image.Channels)
            throw new ArgumentException($"{image.Pixels.Length} bytes are not an image of {image.Height}x{image.Width}x{image.Channels}.", nameof(image));

        byte[] data = Deflate(Filtered(image, fixedFilter: null), level);
        for (int candidate = 0; filter == PngFilterChoice.Smallest && candidate < Filters; candidate++)
        {
            byte[] other = Deflate(Filtered(image, candidate), level);
            if (other.Length < data.Length) data = other;
        }

        Span<byte> header = stackalloc byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, image.Width);
        BinaryPrimitives.WriteInt32BigEndian(header[4..], image.Height);
        header[8] = 8;
        header[9] = (byte)(image.Channels switch { 1 => 0, 3 => 2, _ => 6 });
        header[10] = header[11] = header[12] = 0;

        using var file = new MemoryStream();
        file.Write(PngFormat.Signature);
        WriteChunk(file, PngFormat.Header, header);
        WriteChunk(file, PngFormat.Data, data);
        WriteChunk(file, PngFormat.End, []);
        return file.ToArray();
    }

    private static byte[] Filtered(PixelImage image, int? fixedFilter)
    {
        int rowBytes = image.Width * image.Channels, stride = rowBytes + 1;
        var result = new byte[image.Height * stride];
        var candidate = new byte[rowBytes];
        for (int y = 0; y < image.Height; y++)
        {
            ReadOnlySpan<byte> row = image.Pixels.AsSpan(y * rowBytes, rowBytes);
            ReadOnlySpan<byte> above = y == 0 ? default : image.Pixels.AsSpan((y - 1) * rowBytes, rowBytes);
            Span<byte> target = result.AsSpan(y * stride, stride);
            if (fixedFilter is { } chosen)
            {
                target[0] = (byte)chosen;
                ApplyFilter(chosen, row, above, image.Channels, target[1..]);
                continue;
            }

            long best = long.MaxValue;
            for (int filter = 0; filter < Filters; filter++)
            {
                long cost = ApplyFilter(filter, row, above, image.Channels, candidate);
                if (cost >= best) continue;
                best = cost;
                target[0] = (byte)filter;
                candidate.CopyTo(target[1..]);
            }
        }

        return result;
    }

    /// <summary>Writes the residuals of one row and returns the sum of their magnitudes as signed bytes.</summary>
    private static long ApplyFilter(int filter, ReadOnlySpan<byte> row, ReadOnlySpan<byte> above, int step, Span<byte> residuals)
    {
        long cost = 0;
        for (int i = 0; i < row.Length; i++)
        {
            int left = i < step ? 0 : row[i - step], up = above.IsEmpty ? 0 : above[i], upperLeft = i < step || above.IsEmpty ? 0 : above[i - step];
            int predicted = filter switch
            {
                1 => left,
                2 => up,
                3 => (left + up) / 2,
                4 => PngFormat.Paeth(left, up, upperLeft),
                _ => 0,
            };
            var residual = (byte)(row[i] - predicted);
            residuals[i] = residual;
            cost += Math.Abs((int)(sbyte)residual);
        }

        return cost;
    }

    private static byte[] Deflate(byte[] rows, CompressionLevel level)
    {
        using var compressed = new MemoryStream();
        using (var deflate = new ZLibStream(compressed, level, leaveOpen: true)) deflate.Write(rows);
        return compressed.ToArray();
    }

    private static void WriteChunk(MemoryStream file, uint type, ReadOnlySpan<byte> data)
    {
        var typed = new byte[4 + data.Length];
        BinaryPrimitives.WriteUInt32BigEndian(typed, type);
        data.CopyTo(typed.AsSpan(4));
        Span<byte> word = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(word, data.Length);
        file.Write(word);
        file.Write(typed);
        BinaryPrimitives.WriteUInt32BigEndian(word, PngFormat.Crc(typed));
        file.Write(word);
    }
}
