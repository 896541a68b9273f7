namespace CoInference.Runtime.Data;

/// <summary>A colour with components from 0 to 1.</summary>
internal readonly record struct Rgb(float R, float G, float B)
{
    public static Rgb Random(ref SplitMix64 random) => new(random.Unit(), random.Unit(), random.Unit());

    public static Rgb Mix(Rgb from, Rgb to, float share) =>
        new(from.R + ((to.R - from.R) * share), from.G + ((to.G - from.G) * share), from.B + ((to.B - from.B) * share));

    public float DistanceTo(Rgb other) =>
        MathF.Sqrt(((R - other.R) * (R - other.R)) + ((G - other.G) * (G - other.G)) + ((B - other.B) * (B - other.B)));
}

/// <summary>How a surface is painted: two colours mixed along a gradient, by stripes, checks or smooth noise.</summary>
internal sealed class ShapeFill
{
    private const int NoiseGrid = 8;

    private readonly Rgb _from, _to;
    private readonly int _pattern;
    private readonly float _waveX, _waveY, _phase;
    private readonly float[] _noise = new float[NoiseGrid * NoiseGrid];

    private ShapeFill(Rgb from, Rgb to, int pattern, ref SplitMix64 random)
    {
        (_from, _to, _pattern) = (from, to, pattern);
        float angle = random.Between(0, 2 * MathF.PI), frequency = random.Between(0.35f, 1.1f);
        (_waveX, _waveY, _phase) = (MathF.Cos(angle) * frequency, MathF.Sin(angle) * frequency, random.Between(0, 2 * MathF.PI));
        for (int i = 0; i < _noise.Length; i++) _noise[i] = random.Unit();
    }

    /// <summary>A background of two related colours and any pattern.</summary>
    public static ShapeFill Background(ref SplitMix64 random)
    {
        Rgb from = Rgb.Random(ref random), to = Rgb.Mix(from, Rgb.Random(ref random), random.Between(0.15f, 0.6f));
        return new ShapeFill(from, to, random.Next(4), ref random);
    }

    /// <summary>A fill that can be told from <paramref name="background"/>, often barely; one in three has a pattern of its own.</summary>
    public static ShapeFill Against(ShapeFill background, ref SplitMix64 random)
    {
        Rgb average = Rgb.Mix(background._from, background._to, 0.5f), color;
        float needed = random.Between(0.3f, 0.5f);
        do color = Rgb.Random(ref random); while (color.DistanceTo(average) < needed);
        Rgb second = Rgb.Mix(color, Rgb.Random(ref random), random.Next(3) == 0 ? 0.3f : 0.05f);
        return new ShapeFill(color, second, random.Next(4), ref random);
    }

    public Rgb At(float x, float y)
    {
        float wave = (x * _waveX) + (y * _waveY) + _phase;
        float share = _pattern switch
        {
            0 => Math.Clamp(((x * _waveX) + (y * _waveY)) / (2f * Shapes10.Side) + 0.5f, 0, 1),
            1 => MathF.Sin(wave) > 0 ? 1 : 0,
            2 => (MathF.Sin(wave) > 0) ^ (MathF.Sin((x * -_waveY) + (y * _waveX)) > 0) ? 1 : 0,
            _ => SmoothNoise(x / 5, y / 5),
        };
        return Rgb.Mix(_from, _to, share);
    }

    private float SmoothNoise(float x, float y)
    {
        int left = Math.Clamp((int)x, 0, NoiseGrid - 2), top = Math.Clamp((int)y, 0, NoiseGrid - 2);
        float fx = x - left, fy = y - top;
        float upper = _noise[(top * NoiseGrid) + left] + ((_noise[(top * NoiseGrid) + left + 1] - _noise[(top * NoiseGrid) + left]) * fx);
        float lower = _noise[((top + 1) * NoiseGrid) + left] + ((_noise[((top + 1) * NoiseGrid) + left + 1] - _noise[((top + 1) * NoiseGrid) + left]) * fx);
        return upper + ((lower - upper) * fy);
    }
}
