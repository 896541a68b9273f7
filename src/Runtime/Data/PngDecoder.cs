using System.Buffers.Binary;
using System.IO.Compression;

namespace CoInference.Runtime.Data;

/// <summary>
/// Reads PNG images of 8 bits per channel (gray, gray with alpha, RGB, RGB with alpha) and gray or palette images of 1,
/// 2, 4 or 8 bits. 16-bit and interlaced images are refused. Chunk checksums are verified; colour profiles, gamma and
/// transparent colours are ignored.
/// </summary>
public static class PngDecoder
{
    /// <summary>Deflate cannot expand data by more than this factor, so a claimed size beyond it is a truncated or hostile file.</summary>
    private const long MaxExpansion = 1032;

    /// <summary>Reads one image: 1 channel for gray, 3 for RGB and palette, 4 for RGB with alpha; the alpha of a gray image is dropped.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="name">What to call the file in messages.</param>
    /// <exception cref="InvalidDataException">The file is not a valid PNG or is larger than 16,384 pixels a side or 64 Mi pixels.</exception>
    /// <exception cref="NotSupportedException">The image is interlaced or has 16 bits per channel.</exception>
    public static PixelImage Decode(ReadOnlySpan<byte> file, string name = "image")
    {
        if (!file.StartsWith(PngFormat.Signature)) throw Broken(name, "it does not start with the PNG signature");
        Header? header = null;
        ReadOnlySpan<byte> palette = default;
        using var compressed = new MemoryStream();
        bool ended = false;
        for (int at = PngFormat.Signature.Length; !ended; )
        {
            if (file.Length - at < 12) throw Broken(name, "it ends in the middle of a chunk");
            uint length = BinaryPrimitives.ReadUInt32BigEndian(file[at..]);
            if (length > file.Length - at - 12) throw Broken(name, $"a chunk at byte {at} announces {length} bytes, more than are left");
            ReadOnlySpan<byte> typed = file.Slice(at + 4, (int)length + 4), data = typed[4..];
            uint type = BinaryPrimitives.ReadUInt32BigEndian(typed);
            at += (int)length + 12;
            if (PngFormat.Crc(typed) != BinaryPrimitives.ReadUInt32BigEndian(file[(at - 4)..])) throw Broken(name, $"the checksum of the chunk before byte {at} is wrong");
            if (header is null && type != PngFormat.Header) throw Broken(name, "its first chunk is not IHDR");
            switch (type)
            {
                case PngFormat.Header:
                    header = header is null ? Header.Read(data, name) : throw Broken(name, "it has two IHDR chunks");
                    break;
                case PngFormat.Palette:
                    palette = data.Length % 3 == 0 && data.Length is >= 3 and <= 768 ? data : throw Broken(name, $"its palette has {data.Length} bytes");
                    break;
                case PngFormat.Data:
                    compressed.Write(data);
                    break;
                case PngFormat.End:
                    ended = true;
                    break;
                default:
                    // Bit 5 of the first letter is clear in chunks that a reader must understand.
                    if ((type & 0x20000000) == 0) throw Broken(name, $"it has an unknown critical chunk 0x{type:X8}");
                    break;
            }
        }

        byte[] rows = Inflate(compressed, header!, name);
        Unfilter(rows, header!, name);
        return header!.ColorType == 3 ? Expand(rows, header, palette, name) : Unpack(rows, header);
    }

    private static byte[] Inflate(MemoryStream compressed, Header header, string name)
    {
        long expected = (long)header.Height * (1 + header.RowBytes);
        if (expected > (compressed.Length * MaxExpansion) + 64) throw Broken(name, $"{compressed.Length} bytes of image data cannot hold {header.Width}x{header.Height} pixels");
        var rows = new byte[expected];
        compressed.Position = 0;
        int read;
        try
        {
            using var inflate = new ZLibStream(compressed, CompressionMode.Decompress);
            read = inflate.ReadAtLeast(rows, rows.Length, throwOnEndOfStream: false);
        }
        catch (Exception broken) when (broken is InvalidDataException or IOException)
        {
            throw new InvalidDataException($"PNG '{name}' is broken: its image data is not valid zlib data.", broken);
        }

        if (read < rows.Length) throw Broken(name, $"its image data ends after {read} of {rows.Length} bytes");
        return rows;
    }

    private static void Unfilter(byte[] rows, Header header, string name)
    {
        int stride = 1 + header.RowBytes, step = header.FilterStep;
        for (int y = 0; y < header.Height; y++)
        {
            Span<byte> row = rows.AsSpan((y * stride) + 1, header.RowBytes);
            ReadOnlySpan<byte> above = y == 0 ? default : rows.AsSpan(((y - 1) * stride) + 1, header.RowBytes);
            byte filter = rows[y * stride];
            if (filter > 4) throw Broken(name, $"row {y} has filter {filter}; filters are 0 to 4");
            for (int i = 0; i < row.Length; i++)
            {
                int left = i < step ? 0 : row[i - step], up = y == 0 ? 0 : above[i], upperLeft = i < step || y == 0 ? 0 : above[i - step];
                row[i] += (byte)(filter switch
                {
                    1 => left,
                    2 => up,
                    3 => (left + up) / 2,
                    4 => PngFormat.Paeth(left, up, upperLeft),
                    _ => 0,
                });
            }
        }
    }

    private static PixelImage Unpack(byte[] rows, Header header)
    {
        int sourceChannels = header.Samples, channels = sourceChannels == 2 ? 1 : sourceChannels;
        var pixels = new byte[header.Height * header.Width * channels];
        int scale = 255 / ((1 << header.BitDepth) - 1);
        for (int y = 0, target = 0; y < header.Height; y++)
        {
            ReadOnlySpan<byte> row = rows.AsSpan((y * (1 + header.RowBytes)) + 1, header.RowBytes);
            for (int x = 0; x < header.Width; x++)
            {
                for (int c = 0; c < channels; c++) pixels[target++] = (byte)(Sample(row, (x * sourceChannels) + c, header.BitDepth) * scale);
            }
        }

        return new PixelImage(channels, header.Height, header.Width, pixels);
    }

    private static PixelImage Expand(byte[] rows, Header header, ReadOnlySpan<byte> palette, string name)
    {
        if (palette.IsEmpty) throw Broken(name, "it is a palette image without a palette");
        var pixels = new byte[header.Height * header.Width * 3];
        for (int y = 0, target = 0; y < header.Height; y++)
        {
            ReadOnlySpan<byte> row = rows.AsSpan((y * (1 + header.RowBytes)) + 1, header.RowBytes);
            for (int x = 0; x < header.Width; x++, target += 3)
            {
                int index = Sample(row, x, header.BitDepth);
                if (index * 3 >= palette.Length) throw Broken(name, $"pixel {x},{y} uses colour {index} of a palette of {palette.Length / 3}");
                palette.Slice(index * 3, 3).CopyTo(pixels.AsSpan(target));
            }
        }

        return new PixelImage(3, header.Height, header.Width, pixels);
    }

    private static int Sample(ReadOnlySpan<byte> row, int index, int bits)
    {
        if (bits == 8) return row[index];
        int bit = index * bits;
        return (row[bit / 8] >> (8 - bits - (bit % 8))) & ((1 << bits) - 1);
    }

    private static InvalidDataException Broken(string name, string why) => new($"PNG '{name}' is broken: {why}.");

    private sealed record Header(int Width, int Height, int BitDepth, int ColorType)
    {
        /// <summary>Samples per pixel in the file.</summary>
        public int Samples => ColorType switch { 2 => 3, 4 => 2, 6 => 4, _ => 1 };

        public int RowBytes => ((Width * Samples * BitDepth) + 7) / 8;

        /// <summary>Distance in bytes to the sample that a filter calls "left".</summary>
        public int FilterStep => Math.Max(1, Samples * BitDepth / 8);

        public static Header Read(ReadOnlySpan<byte> data, string name)
        {
            if (data.Length != 13) throw Broken(name, $"its IHDR chunk has {data.Length} bytes, not 13");
            uint width = BinaryPrimitives.ReadUInt32BigEndian(data), height = BinaryPrimitives.ReadUInt32BigEndian(data[4..]);
            if (width is 0 or > PngFormat.MaxSide || height is 0 or > PngFormat.MaxSide || width * height > PngFormat.MaxPixels)
                throw new InvalidDataException($"PNG '{name}' is {width}x{height}; sides of 1 to {PngFormat.MaxSide} and at most {PngFormat.MaxPixels} pixels are read.");
            int depth = data[8], color = data[9];
            if (depth == 16) throw new NotSupportedException($"PNG '{name}' has 16 bits per channel; at most 8 are read.");
            bool valid = color switch { 0 or 3 => depth is 1 or 2 or 4 or 8, 2 or 4 or 6 => depth == 8, _ => false };
            if (!valid) throw Broken(name, $"colour type {color} with {depth} bits does not exist");
            if (data[10] != 0 || data[11] != 0 || data[12] > 1) throw Broken(name, "its compression, filter or interlace method does not exist");
            if (data[12] == 1) throw new NotSupportedException($"PNG '{name}' is interlaced; only non-interlaced images are read.");
            return new Header((int)width, (int)height, depth, color);
        }
    }
}
