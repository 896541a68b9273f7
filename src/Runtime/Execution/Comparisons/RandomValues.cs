namespace CoInference.Runtime.Execution;

/// <summary>Operands of checks.</summary>
internal static class RandomValues
{
    /// <summary>Values spread evenly over a range.</summary>
    public static float[] Create(int seed, int count, double low = -1, double high = 1) => Create(new Random(seed), count, low, high);

    /// <summary>The next values of a sequence, spread evenly over a range.</summary>
    public static float[] Create(Random random, int count, double low = -1, double high = 1)
    {
        var values = new float[count];
        foreach (ref float value in values.AsSpan()) value = (float)(low + (random.NextDouble() * (high - low)));
        return values;
    }
}
