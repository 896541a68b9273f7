using System.Buffers.Binary;
using System.IO.Compression;
using CoInference.Runtime.Data;
using FsCheck;
using FsCheck.Fluent;

namespace CoInference.Runtime.Tests.Data;

public class PngTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    public void Images_survive_a_round_trip(int channels) => Prop.ForAll(
        (from height in Gen.Choose(1, 20)
         from width in Gen.Choose(1, 20)
         from smooth in Gen.Elements(true, false)
         from seed in Gen.Choose(0, int.MaxValue - 1)
         select (height, width, smooth, seed)).ToArbitrary(),
        sample =>
        {
            PixelImage image = Make(channels, sample.height, sample.width, sample.smooth, sample.seed);
            foreach (PngFilterChoice choice in Enum.GetValues<PngFilterChoice>())
            {
                PixelImage back = PngDecoder.Decode(PngEncoder.Encode(image, choice));
                Assert.Equal((channels, image.Height, image.Width), (back.Channels, back.Height, back.Width));
                Assert.Equal(image.Pixels, back.Pixels);
            }
        }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Each_filter_is_undone(byte filter)
    {
        // One RGB pixel per row position; the expected bytes follow the specification's formulas by hand.
        byte[] rows = [filter, 10, 20, 30, 1, 2, 3, filter, 5, 6, 7, 250, 251, 252];
        byte[] expected = filter switch
        {
            0 => [10, 20, 30, 1, 2, 3, 5, 6, 7, 250, 251, 252],
            1 => [10, 20, 30, 11, 22, 33, 5, 6, 7, 255, 1, 3],
            2 => [10, 20, 30, 1, 2, 3, 15, 26, 37, 251, 253, 255],
            3 => [10, 20, 30, 6, 12, 18, 10, 16, 22, 2, 9, 16],
            _ => [10, 20, 30, 11, 22, 33, 15, 26, 37, 9, 21, 33],
        };
        Assert.Equal(expected, PngDecoder.Decode(File(2, 2, 8, 2, rows)).Pixels);
    }

    [Fact]
    public void Palette_and_narrow_gray_images_are_expanded()
    {
        byte[] palette = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        Assert.Equal([4, 5, 6, 7, 8, 9, 1, 2, 3], PngDecoder.Decode(File(3, 1, 2, 3, [0, 0b01_10_00_00], palette)).Pixels);
        Assert.Equal([4, 5, 6], PngDecoder.Decode(File(1, 1, 8, 3, [0, 1], palette)).Pixels);
        Assert.Equal([255, 0, 255], PngDecoder.Decode(File(3, 1, 1, 0, [0, 0b1010_0000])).Pixels);
        Assert.Equal([17, 34], PngDecoder.Decode(File(2, 1, 4, 0, [0, 0x12])).Pixels);
        Assert.Equal([9], PngDecoder.Decode(File(1, 1, 8, 4, [0, 9, 128])).Pixels);
        Assert.Throws<InvalidDataException>(() => PngDecoder.Decode(File(1, 1, 8, 3, [0, 3], palette)));
        Assert.Throws<InvalidDataException>(() => PngDecoder.Decode(File(1, 1, 8, 3, [0, 0])));
    }

    [Fact]
    public void Refused_images_are_refused_clearly()
    {
        Assert.Contains("16 bits", Assert.Throws<NotSupportedException>(() => PngDecoder.Decode(File(1, 1, 16, 0, [0, 0, 0]))).Message, StringComparison.Ordinal);
        Assert.Contains("interlaced", Assert.Throws<NotSupportedException>(() => PngDecoder.Decode(File(1, 1, 8, 0, [0, 0], interlace: 1))).Message, StringComparison.Ordinal);
        Assert.Contains("20000x1", Assert.Throws<InvalidDataException>(() => PngDecoder.Decode(File(20000, 1, 8, 0, [0]))).Message, StringComparison.Ordinal);
        Assert.Contains("cannot hold", Assert.Throws<InvalidDataException>(() => PngDecoder.Decode(File(8000, 8000, 8, 2, [0]))).Message, StringComparison.Ordinal);
        Assert.Contains("ends after", Assert.Throws<InvalidDataException>(() => PngDecoder.Decode(File(4, 4, 8, 0, [0, 1, 2]))).Message, StringComparison.Ordinal);
        Assert.Contains("signature", Assert.Throws<InvalidDataException>(() => PngDecoder.Decode([1, 2, 3])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Mutated_files_never_escape_the_documented_exceptions()
    {
        byte[] original = PngEncoder.Encode(Make(3, 9, 7, smooth: true, 5));
        var random = new Random(11);
        int accepted = 0;
        for (int i = 0; i < 5000; i++)
        {
            byte[] mutant = original.AsSpan(0, random.Next(4) == 0 ? random.Next(original.Length) : original.Length).ToArray();
            for (int k = random.Next(4); k > 0 && mutant.Length > 0; k--) mutant[random.Next(mutant.Length)] = (byte)random.Next(256);
            if (random.Next(2) == 0) RepairChecksums(mutant);
            try
            {
                PixelImage image = PngDecoder.Decode(mutant);
                Assert.Equal(image.Height * image.Width * image.Channels, image.Pixels.Length);
                accepted++;
            }
            catch (Exception refused) when (refused is InvalidDataException or NotSupportedException)
            {
            }
        }

        Assert.InRange(accepted, 1, 4999);
    }

    [Fact]
    public void Smooth_images_shrink_and_noise_hardly_grows()
    {
        PixelImage smooth = Make(3, 32, 32, smooth: true, 1), noise = Make(3, 32, 32, smooth: false, 1);
        Assert.InRange(PngEncoder.Encode(smooth).Length, 1, smooth.Pixels.Length / 3);

        // Stored deflate blocks, chunk framing and filter bytes are all that noise may cost.
        Assert.InRange(PngEncoder.Encode(noise).Length, noise.Pixels.Length, noise.Pixels.Length + 32 + 57 + 16);
        Assert.True(PngEncoder.Encode(smooth, PngFilterChoice.Smallest).Length <= PngEncoder.Encode(smooth, PngFilterChoice.Adaptive).Length);
    }

    private static PixelImage Make(int channels, int height, int width, bool smooth, int seed)
    {
        var random = new Random(seed);
        var pixels = new byte[height * width * channels];
        if (!smooth) random.NextBytes(pixels);
        else
        {
            for (int i = 0; i < pixels.Length; i++) pixels[i] = (byte)((i / channels % width * 3) + (i / channels / width * 2) + (seed % 50) + random.Next(2));
        }

        return new PixelImage(channels, height, width, pixels);
    }

    private static byte[] File(int width, int height, byte depth, byte color, byte[] rows, byte[]? palette = null, byte interlace = 0)
    {
        using var file = new MemoryStream();
        file.Write(PngFormat.Signature);
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9], header[12]) = (depth, color, interlace);
        Chunk(file, "IHDR", header);
        if (palette is not null) Chunk(file, "PLTE", palette);
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true)) zlib.Write(rows);
        Chunk(file, "IDAT", packed.ToArray());
        Chunk(file, "IEND", []);
        return file.ToArray();
    }

    private static void Chunk(MemoryStream file, string type, byte[] data)
    {
        byte[] typed = [.. System.Text.Encoding.ASCII.GetBytes(type), .. data];
        var word = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(word, data.Length);
        file.Write(word);
        file.Write(typed);
        BinaryPrimitives.WriteUInt32BigEndian(word, PngFormat.Crc(typed));
        file.Write(word);
    }

    private static void RepairChecksums(byte[] file)
    {
        for (long at = 8; at + 12 <= file.Length; )
        {
            long length = BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan((int)at));
            if (at + 12 + length > file.Length) return;
            BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan((int)(at + 8 + length)), PngFormat.Crc(file.AsSpan((int)at + 4, (int)length + 4)));
            at += 12 + length;
        }
    }
}
