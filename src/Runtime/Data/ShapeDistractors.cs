namespace CoInference.Runtime.Data;

/// <summary>Strokes and spots of random colours that belong to no class.</summary>
internal sealed class ShapeDistractors
{
    private readonly Stroke[] _strokes;

    private ShapeDistractors(Stroke[] strokes) => _strokes = strokes;

    /// <summary>Up to <paramref name="most"/> strokes; one of zero length is a spot.</summary>
    public static ShapeDistractors Next(ref SplitMix64 random, int most)
    {
        var strokes = new Stroke[random.Next(most + 1)];
        for (int i = 0; i < strokes.Length; i++)
        {
            float x = random.Between(0, Shapes10.Side), y = random.Between(0, Shapes10.Side);
            float angle = random.Between(0, 2 * MathF.PI), length = random.Next(3) == 0 ? 0 : random.Between(6, 22);
            float halfWidth = length == 0 ? random.Between(0.8f, 2.2f) : random.Between(0.4f, 1.1f);
            strokes[i] = new Stroke(x, y, MathF.Cos(angle), MathF.Sin(angle), length, halfWidth, Rgb.Random(ref random));
        }

        return new ShapeDistractors(strokes);
    }

    /// <summary>The colour of the first stroke that covers the point.</summary>
    public bool TryColor(float x, float y, out Rgb color)
    {
        foreach (Stroke stroke in _strokes)
        {
            float dx = x - stroke.X, dy = y - stroke.Y;
            float along = Math.Clamp((dx * stroke.DirectionX) + (dy * stroke.DirectionY), 0, stroke.Length);
            float offX = dx - (along * stroke.DirectionX), offY = dy - (along * stroke.DirectionY);
            if ((offX * offX) + (offY * offY) >= stroke.HalfWidth * stroke.HalfWidth) continue;
            color = stroke.Color;
            return true;
        }

        color = default;
        return false;
    }

    private readonly record struct Stroke(float X, float Y, float DirectionX, float DirectionY, float Length, float HalfWidth, Rgb Color);
}
