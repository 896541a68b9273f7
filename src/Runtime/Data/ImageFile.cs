namespace CoInference.Runtime.Data;

/// <summary>Image files of the formats that can be read: PNG and, where libjpeg-turbo is installed, JPEG.</summary>
public static class ImageFile
{
    private static readonly string[] Extensions = [".png", ".jpg", ".jpeg"];

    /// <summary>Whether a file name ends as that of an image does.</summary>
    public static bool HasImageName(string path) => Extensions.Any(extension => path.EndsWith(extension, StringComparison.OrdinalIgnoreCase));

    /// <summary>Decodes a file by its first bytes.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="name">Name for messages.</param>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    /// <exception cref="NotSupportedException">The file uses a variant that is not supported, or is a JPEG and libjpeg-turbo is not installed.</exception>
    public static PixelImage Decode(ReadOnlySpan<byte> file, string name = "image") =>
        JpegCodec.IsJpeg(file) ? JpegCodec.Decode(file, name) : PngDecoder.Decode(file, name);
}
