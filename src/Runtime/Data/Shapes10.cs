namespace CoInference.Runtime.Data;

/// <summary>
/// A generated data set of ten classes of 32x32 RGB drawings. One shape per image varies in place, size, rotation,
/// stretch, colours and fill, on a textured background, among distracting strokes and spots, under pixel noise.
/// </summary>
/// <remarks>
/// Contrast has no fixed sign and the shape has no fixed place, so no linear function of the pixels tells the classes
/// apart; edges and corners do. Image <c>i</c> of a seed is the same wherever it is asked for. docs/results.md has the
/// command that trained the stored network.
/// </remarks>
public static class Shapes10
{
    /// <summary>Seed of the set that the stored network was trained on.</summary>
    public const int DefaultSeed = 1;

    /// <summary>Images of the training set, search-validation included.</summary>
    public const int TrainImages = 25_000;

    /// <summary>Images of the test set.</summary>
    public const int TestImages = 5_000;

    /// <summary>Height and width in pixels.</summary>
    public const int Side = 32;

    /// <summary>Bytes of one image: three planes.</summary>
    public const int ImageBytes = 3 * Side * Side;

    private const int SubSamples = 2;

    /// <summary>Names of the classes, by label.</summary>
    public static IReadOnlyList<string> ClassNames { get; } =
        ["circle", "square", "triangle", "pentagon", "star", "cross", "ring", "crescent", "heart", "arrow"];

    /// <summary>Class of image <paramref name="index"/>: they take turns.</summary>
    public static int Label(int index) => index % ClassNames.Count;

    /// <summary>Draws one image.</summary>
    /// <param name="seed">Seed of the set.</param>
    /// <param name="test">Whether it is an image of the test set.</param>
    /// <param name="index">Number of the image within the training or test set.</param>
    /// <param name="planes"><see cref="ImageBytes"/> bytes: R, G, B planes.</param>
    public static void Draw(int seed, bool test, int index, Span<byte> planes)
    {
        var mixer = new SplitMix64(((ulong)(uint)seed << 33) ^ ((ulong)(uint)index << 1) ^ (test ? 1UL : 0UL));
        var random = new SplitMix64(mixer.Next());
        var background = ShapeFill.Background(ref random);
        ShapeFill fill = ShapeFill.Against(background, ref random);
        ShapePlacement placement = ShapePlacement.Next(ref random);
        ShapeDistractors behind = ShapeDistractors.Next(ref random, 4), before = ShapeDistractors.Next(ref random, 2);
        float noise = random.Between(0, 0.1f);
        int label = Label(index);

        for (int y = 0; y < Side; y++)
        {
            for (int x = 0; x < Side; x++)
            {
                float red = 0, green = 0, blue = 0;
                for (int sub = 0; sub < SubSamples * SubSamples; sub++)
                {
                    float px = x + (((sub % SubSamples) + 0.5f) / SubSamples), py = y + (((sub / SubSamples) + 0.5f) / SubSamples);
                    if (!before.TryColor(px, py, out Rgb color))
                    {
                        (float u, float v) = placement.ToShape(px, py);
                        if (ShapeOutlines.Contains(label, u, v)) color = fill.At(px, py);
                        else if (!behind.TryColor(px, py, out color)) color = background.At(px, py);
                    }

                    red += color.R;
                    green += color.G;
                    blue += color.B;
                }

                int at = (y * Side) + x;
                planes[at] = Quantize(red, noise, ref random);
                planes[at + (Side * Side)] = Quantize(green, noise, ref random);
                planes[at + (2 * Side * Side)] = Quantize(blue, noise, ref random);
            }
        }
    }

    private static byte Quantize(float sum, float noise, ref SplitMix64 random) =>
        (byte)Math.Clamp(MathF.Round(255 * ((sum / (SubSamples * SubSamples)) + (noise * random.Bell()))), 0, 255);
}
