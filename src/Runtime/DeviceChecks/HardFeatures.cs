using CoInference.Kernels.Gpu.Layers;

namespace CoInference.Runtime.DeviceChecks;

/// <summary>Features and ranges that a quantizer must survive. The tests of the kernels are compiled with this file.</summary>
internal static class HardFeatures
{
    /// <summary>Values with NaN, infinities, some far outside the range, and rounding ties among them.</summary>
    public static float[] Values(Random random, int count)
    {
        float[] odd = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, -0f, 1e30f, -1e30f, 0.5f, 1.5f, 2.5f];
        var values = new float[count];
        foreach (ref float value in values.AsSpan()) value = random.Next(12) == 0 ? odd[random.Next(odd.Length)] : (float)((random.NextDouble() * 4) - 1);
        return values;
    }

    /// <summary>Ranges with constant planes among them, whose step is 0, and steps of 1, at which ties are exact.</summary>
    public static QuantizerRange[] Ranges(Random random, int count, int levels)
    {
        var ranges = new QuantizerRange[count];
        for (int i = 0; i < count; i++)
        {
            float minimum = (float)(random.NextDouble() - 1);
            float step = i % 7 == 6 ? 0 : i % 5 == 4 ? 1 : (float)((random.NextDouble() + 1) / levels);
            float inverse = step == 0 ? 0 : 1 / step;
            ranges[i] = new QuantizerRange(inverse, -(minimum * inverse), step, minimum);
        }

        return ranges;
    }
}
