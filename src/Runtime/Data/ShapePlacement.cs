namespace CoInference.Runtime.Data;

/// <summary>Where a shape lies: the affine map from pixels to the shape's own coordinates.</summary>
internal readonly struct ShapePlacement
{
    private readonly float _centreX, _centreY, _uX, _uY, _vX, _vY;

    private ShapePlacement(float centreX, float centreY, float uX, float uY, float vX, float vY) =>
        (_centreX, _centreY, _uX, _uY, _vX, _vY) = (centreX, centreY, uX, uY, vX, vY);

    /// <summary>A random place, size, rotation and stretch; at most a small part leaves the image.</summary>
    public static ShapePlacement Next(ref SplitMix64 random)
    {
        float radius = random.Between(5f, 12f), stretch = random.Between(0.82f, 1.22f), angle = random.Between(0, 2 * MathF.PI);
        float room = MathF.Max(0, (Shapes10.Side / 2f) - (radius * 0.92f));
        float x = (Shapes10.Side / 2f) + random.Between(-room, room), y = (Shapes10.Side / 2f) + random.Between(-room, room);
        float cos = MathF.Cos(angle), sin = MathF.Sin(angle);
        float alongU = 1 / (radius * stretch), alongV = stretch / radius;
        return new ShapePlacement(x, y, cos * alongU, sin * alongU, -sin * alongV, cos * alongV);
    }

    public (float U, float V) ToShape(float x, float y)
    {
        float dx = x - _centreX, dy = y - _centreY;
        return ((dx * _uX) + (dy * _uY), (dx * _vX) + (dy * _vY));
    }
}
