namespace CoInference.Runtime.Data;

/// <summary>Inside tests of the ten shapes, each about one unit in radius around the origin, v pointing down.</summary>
internal static class ShapeOutlines
{
    /// <summary>Whether the point lies inside the shape of class <paramref name="label"/>.</summary>
    public static bool Contains(int label, float u, float v) => label switch
    {
        0 => (u * u) + (v * v) < 0.85f * 0.85f,
        1 => MathF.Max(MathF.Abs(u), MathF.Abs(v)) < 0.75f,
        2 => InPolygon(3, 1f, u, v),
        3 => InPolygon(5, 0.95f, u, v),
        4 => InStar(u, v),
        5 => MathF.Min(MathF.Abs(u), MathF.Abs(v)) < 0.28f && MathF.Max(MathF.Abs(u), MathF.Abs(v)) < 0.92f,
        6 => (u * u) + (v * v) is < 0.9f * 0.9f and > 0.5f * 0.5f,
        7 => (u * u) + (v * v) < 0.92f * 0.92f && ((u - 0.42f) * (u - 0.42f)) + (v * v) > 0.72f * 0.72f,
        8 => InHeart(u, v),
        _ => InArrow(u, v),
    };

    /// <summary>A regular polygon: inside when the projection on the nearest edge normal is below the apothem.</summary>
    private static bool InPolygon(int sides, float radius, float u, float v)
    {
        float sector = 2 * MathF.PI / sides;
        float angle = MathF.Atan2(u, v) + (sector / 2);
        float folded = angle - (sector * MathF.Floor(angle / sector)) - (sector / 2);
        return MathF.Sqrt((u * u) + (v * v)) * MathF.Cos(folded) < radius * MathF.Cos(sector / 2);
    }

    /// <summary>A five-pointed star: in each mirrored tenth, one side of the line from a tip to the next notch.</summary>
    private static bool InStar(float u, float v)
    {
        const float Tip = 1.05f, Notch = 0.45f, Sector = 2 * MathF.PI / 5;
        float angle = MathF.Atan2(u, -v);
        float folded = MathF.Abs(angle - (Sector * MathF.Round(angle / Sector)));
        float radius = MathF.Sqrt((u * u) + (v * v));
        float x = radius * MathF.Cos(folded), y = radius * MathF.Sin(folded);
        float notchX = Notch * MathF.Cos(Sector / 2), notchY = Notch * MathF.Sin(Sector / 2);
        return ((x - Tip) * notchY) - (y * (notchX - Tip)) < 0;
    }

    /// <summary>The sextic heart curve (x^2 + y^2 - 1)^3 = x^2 y^3.</summary>
    private static bool InHeart(float u, float v)
    {
        float x = u * 1.25f, y = (-v * 1.25f) + 0.1f;
        float disc = (x * x) + (y * y) - 1;
        return (disc * disc * disc) - (x * x * y * y * y) < 0;
    }

    private static bool InArrow(float u, float v)
    {
        bool head = v is > -1f and < -0.05f && MathF.Abs(u) < (v + 1f) * 0.85f;
        return head || (v is >= -0.05f and < 0.95f && MathF.Abs(u) < 0.27f);
    }
}
