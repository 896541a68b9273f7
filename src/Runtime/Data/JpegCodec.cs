using System.Runtime.InteropServices;

namespace CoInference.Runtime.Data;

/// <summary>
/// JPEG through libjpeg-turbo (its TurboJPEG interface), loaded when it is first needed. Where the library is absent,
/// <see cref="IsAvailable"/> is false and nothing else is affected.
/// </summary>
public static unsafe class JpegCodec
{
    private const int MaxSide = PngFormat.MaxSide;
    private const int Rgb = 0, Gray = 6;
    private const int Subsampled420 = 2, SubsampledGray = 3;
    private const int ColorSpaceGray = 2;
    private const int AccurateDct = 4096;

    private static readonly string[] Libraries = OperatingSystem.IsWindows() ? ["turbojpeg"]
        : OperatingSystem.IsMacOS() ? ["libturbojpeg.0.dylib", "libturbojpeg.dylib"] : ["libturbojpeg.so.0", "libturbojpeg.so"];

    private static readonly Lazy<Functions?> Loaded = new(Load);

    /// <summary>Whether the library is installed.</summary>
    public static bool IsAvailable => Loaded.Value is not null;

    /// <summary>Whether a file begins as a JPEG does.</summary>
    public static bool IsJpeg(ReadOnlySpan<byte> file) => file is [0xFF, 0xD8, ..];

    /// <summary>Encodes an image: colour as 4:2:0, gray as it is, baseline Huffman coding.</summary>
    /// <param name="image">Image of 1 or 3 channels.</param>
    /// <param name="quality">1 to 100.</param>
    /// <exception cref="ArgumentException">The image has another number of channels, or the quality is out of range.</exception>
    /// <exception cref="NotSupportedException">The library is not installed.</exception>
    public static byte[] Encode(PixelImage image, int quality)
    {
        ArgumentNullException.ThrowIfNull(image);
        if (image.Channels is not (1 or 3)) throw new ArgumentException($"A JPEG holds 1 or 3 channels, not {image.Channels}.", nameof(image));
        if (quality is < 1 or > 100) throw new ArgumentOutOfRangeException(nameof(quality), quality, "A quality lies between 1 and 100.");
        Functions library = Library();
        bool isGray = image.Channels == 1;
        nint handle = library.InitCompress();
        byte* buffer = null;
        CULong size = default;
        try
        {
            fixed (byte* pixels = image.Pixels)
            {
                int failed = library.Compress(
                    handle, pixels, image.Width, 0, image.Height, isGray ? Gray : Rgb, &buffer, &size, isGray ? SubsampledGray : Subsampled420, quality, AccurateDct);
                if (failed != 0) throw new InvalidDataException($"The image cannot be written as JPEG: {library.Error(handle)}.");
            }

            return new ReadOnlySpan<byte>(buffer, checked((int)size.Value)).ToArray();
        }
        finally
        {
            if (buffer is not null) library.Free(buffer);
            library.Destroy(handle);
        }
    }

    /// <summary>Decodes a file to 1 channel if it is gray, else to 3.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="name">Name for messages.</param>
    /// <exception cref="InvalidDataException">The file is damaged, cut short, or too large.</exception>
    /// <exception cref="NotSupportedException">The library is not installed.</exception>
    public static PixelImage Decode(ReadOnlySpan<byte> file, string name = "image")
    {
        Functions library = Library();
        nint handle = library.InitDecompress();
        try
        {
            fixed (byte* bytes = file)
            {
                int width, height, subsampling, colorSpace;
                var size = new CULong((nuint)file.Length);
                if (library.ReadHeader(handle, bytes, size, &width, &height, &subsampling, &colorSpace) != 0)
                    throw new InvalidDataException($"{name}: not a JPEG image: {library.Error(handle)}.");
                if (width is < 1 or > MaxSide || height is < 1 or > MaxSide || (long)width * height > PngFormat.MaxPixels)
                    throw new InvalidDataException($"{name}: an image of {height}x{width} is too large.");
                int channels = colorSpace == ColorSpaceGray ? 1 : 3;
                var pixels = new byte[width * height * channels];
                fixed (byte* target = pixels)
                {
                    if (library.Decompress(handle, bytes, size, target, width, 0, height, channels == 1 ? Gray : Rgb, AccurateDct) != 0)
                        throw new InvalidDataException($"{name}: the JPEG image is damaged: {library.Error(handle)}.");
                }

                return new PixelImage(channels, height, width, pixels);
            }
        }
        finally
        {
            library.Destroy(handle);
        }
    }

    /// <summary>Images as they look after they have crossed as JPEG.</summary>
    /// <param name="images">Images of 1 or 3 channels.</param>
    /// <param name="quality">1 to 100.</param>
    /// <exception cref="NotSupportedException">The library is not installed.</exception>
    public static ImageSet RoundTrip(ImageSet images, int quality)
    {
        ArgumentNullException.ThrowIfNull(images);
        var pixels = new byte[images.Pixels.Length];
        for (int i = 0; i < images.Count; i++)
        {
            byte[] file = Encode(PixelImage.FromPlanes(images.Image(i), images.Channels, images.Height, images.Width), quality);
            Decode(file).CopyPlanes(images.Channels, pixels.AsSpan(i * images.ImageBytes, images.ImageBytes));
        }

        return new ImageSet(images.Channels, images.Height, images.Width, images.Classes, pixels, images.Labels);
    }

    private static Functions Library() => Loaded.Value
        ?? throw new NotSupportedException($"JPEG needs libjpeg-turbo's {Libraries[0]}, which is not installed (Debian: libturbojpeg0).");

    private static Functions? Load()
    {
        foreach (string name in Libraries)
        {
            if (NativeLibrary.TryLoad(name, out nint library)) return Functions.TryFind(library);
        }

        return null;
    }

    /// <summary>The functions that are used, by their C declarations.</summary>
    private sealed class Functions
    {
        public required delegate* unmanaged<nint> InitCompress { get; init; }

        public required delegate* unmanaged<nint> InitDecompress { get; init; }

        public required delegate* unmanaged<nint, byte*, int, int, int, int, byte**, CULong*, int, int, int, int> Compress { get; init; }

        public required delegate* unmanaged<nint, byte*, CULong, int*, int*, int*, int*, int> ReadHeader { get; init; }

        public required delegate* unmanaged<nint, byte*, CULong, byte*, int, int, int, int, int, int> Decompress { get; init; }

        public required delegate* unmanaged<nint, byte*> LastError { get; init; }

        public required delegate* unmanaged<byte*, void> Free { get; init; }

        public required delegate* unmanaged<nint, int> Destroy { get; init; }

        public string Error(nint handle) => Marshal.PtrToStringUTF8((nint)LastError(handle)) ?? "unknown error";

        /// <summary>The functions of a library, or null when it lacks one.</summary>
        public static Functions? TryFind(nint library)
        {
            string[] names = ["tjInitCompress", "tjInitDecompress", "tjCompress2", "tjDecompressHeader3", "tjDecompress2", "tjGetErrorStr2", "tjFree", "tjDestroy"];
            var found = new nint[names.Length];
            for (int i = 0; i < names.Length; i++)
            {
                if (!NativeLibrary.TryGetExport(library, names[i], out found[i])) return null;
            }

            return new Functions
            {
                InitCompress = (delegate* unmanaged<nint>)found[0],
                InitDecompress = (delegate* unmanaged<nint>)found[1],
                Compress = (delegate* unmanaged<nint, byte*, int, int, int, int, byte**, CULong*, int, int, int, int>)found[2],
                ReadHeader = (delegate* unmanaged<nint, byte*, CULong, int*, int*, int*, int*, int>)found[3],
                Decompress = (delegate* unmanaged<nint, byte*, CULong, byte*, int, int, int, int, int, int>)found[4],
                LastError = (delegate* unmanaged<nint, byte*>)found[5],
                Free = (delegate* unmanaged<byte*, void>)found[6],
                Destroy = (delegate* unmanaged<nint, int>)found[7],
            };
        }
    }
}
