namespace CoInference.Runtime.Training;

/// <summary>Values that training changes: an initializer of the graph.</summary>
public sealed class TrainingParameter
{
    internal TrainingParameter(string name, float[] values, bool decays, bool isStatistic = false)
    {
        (Name, Values, Decays, IsStatistic) = (name, values, decays, isStatistic);
        Gradients = isStatistic ? [] : new float[values.Length];
    }

    /// <summary>Name of the initializer.</summary>
    public string Name { get; }

    /// <summary>Values in the initializer's order.</summary>
    public float[] Values { get; }

    /// <summary>Gradient of the loss, in the same order; empty for a statistic.</summary>
    public float[] Gradients { get; }

    /// <summary>Whether weight decay applies: weights, but neither biases nor normalization.</summary>
    public bool Decays { get; }

    /// <summary>Whether this is a running statistic of a batch normalization, which follows the data and has no gradient.</summary>
    public bool IsStatistic { get; }

    /// <summary>1 where a value may change and 0 where it stays zero; null when all may.</summary>
    public float[]? Mask { get; internal set; }

    /// <summary>Keeps at zero what is zero now.</summary>
    public void KeepZeros()
    {
        if (IsStatistic || !Values.AsSpan().Contains(0f)) return;
        Mask = Array.ConvertAll(Values, value => value == 0 ? 0f : 1f);
    }
}
