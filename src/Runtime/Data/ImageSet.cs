namespace CoInference.Runtime.Data;

/// <summary>Which part of a data set; a search never sees <see cref="Test"/>.</summary>
public enum Split
{
    /// <summary>Images for training, calibration and re-fitting.</summary>
    Train,

    /// <summary>Images carved from the training set on which a search judges plans.</summary>
    SearchValidation,

    /// <summary>Images for the final figure.</summary>
    Test,
}

/// <summary>Labelled 8-bit images of one size, in memory.</summary>
public sealed class ImageSet
{
    /// <summary>Creates a set.</summary>
    /// <param name="channels">Channels per image, 3 is RGB.</param>
    /// <param name="height">Height in pixels.</param>
    /// <param name="width">Width in pixels.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="pixels">All images, each channels x height x width bytes in CHW order.</param>
    /// <param name="labels">One class index per image.</param>
    /// <exception cref="ArgumentException">Lengths disagree or a label is not a class.</exception>
    public ImageSet(int channels, int height, int width, int classes, byte[] pixels, int[] labels)
    {
        if (pixels.Length != (long)labels.Length * channels * height * width)
            throw new ArgumentException($"{pixels.Length} bytes are not {labels.Length} images of {channels}x{height}x{width}.", nameof(pixels));
        foreach (int label in labels)
        {
            if ((uint)label >= (uint)classes) throw new ArgumentException($"Label {label} is not one of {classes} classes.", nameof(labels));
        }

        (Channels, Height, Width, Classes, Pixels, Labels) = (channels, height, width, classes, pixels, labels);
    }

    /// <summary>Channels per image.</summary>
    public int Channels { get; }

    /// <summary>Height in pixels.</summary>
    public int Height { get; }

    /// <summary>Width in pixels.</summary>
    public int Width { get; }

    /// <summary>Number of classes.</summary>
    public int Classes { get; }

    /// <summary>All images in CHW order, one after another.</summary>
    public byte[] Pixels { get; }

    /// <summary>Class of each image.</summary>
    public int[] Labels { get; }

    /// <summary>Number of images.</summary>
    public int Count => Labels.Length;

    /// <summary>Bytes of one image.</summary>
    public int ImageBytes => Channels * Height * Width;

    /// <summary>The bytes of image <paramref name="index"/> in CHW order.</summary>
    public ReadOnlySpan<byte> Image(int index) => Pixels.AsSpan(index * ImageBytes, ImageBytes);

    /// <summary>The first images; all of them when there are no more than <paramref name="count"/>.</summary>
    public ImageSet Take(int count) => count >= Count ? this : new ImageSet(Channels, Height, Width, Classes, Pixels[..(count * ImageBytes)], Labels[..count]);
}
