using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Sparsity;

/// <summary>Zeroes the least important blocks or weights of one layer.</summary>
/// <remarks>
/// A block is a run of consecutive output channels that fills one SIMD vector, at one tap (input channel, kernel row,
/// kernel column); the last run of a layer may be shorter and counts as one block. Weights are seen as [outputs, taps].
/// </remarks>
internal static class WeightMask
{
    /// <summary>What can be removed one by one in a layer.</summary>
    public static int Units(ConvShape shape, WeightForm form, int blockChannels) =>
        form == WeightForm.Block ? Blocks(shape.OutChannels, blockChannels) * (shape.WeightCount / shape.OutChannels) : shape.WeightCount;

    /// <summary>The importance of each unit of a layer, [run of output channels][tap]: that of its weights together.</summary>
    /// <param name="saliency">Importance of each weight, [outputs, taps].</param>
    /// <param name="outputs">Output channels.</param>
    /// <param name="unitChannels">Output channels per unit: the block size, or 1 for single weights.</param>
    public static float[] Importance(ReadOnlySpan<float> saliency, int outputs, int unitChannels)
    {
        int taps = saliency.Length / outputs;
        var importance = new float[Blocks(outputs, unitChannels) * taps];
        for (int o = 0; o < outputs; o++)
        {
            Span<float> unit = importance.AsSpan(o / unitChannels * taps, taps);
            ReadOnlySpan<float> row = saliency.Slice(o * taps, taps);
            for (int tap = 0; tap < taps; tap++) unit[tap] += row[tap];
        }

        return importance;
    }

    /// <summary>The units of a layer from the least to the most important.</summary>
    /// <param name="importance">Importance of each unit; sorted.</param>
    public static int[] Rank(float[] importance)
    {
        var order = new int[importance.Length];
        for (int i = 0; i < order.Length; i++) order[i] = i;
        Array.Sort(importance, order);
        return order;
    }

    /// <summary>The sum of squared weights of each unit, numbered as in <see cref="Rank"/>.</summary>
    /// <param name="weights">The layer's tensor.</param>
    /// <param name="outputsLast">Whether the tensor is [taps, outputs], as a matrix product's second factor.</param>
    /// <param name="outputs">Output channels.</param>
    /// <param name="unitChannels">Output channels per unit.</param>
    public static float[] Energies(Tensor weights, bool outputsLast, int outputs, int unitChannels)
    {
        ReadOnlySpan<float> values = weights.Values<float>();
        int taps = values.Length / outputs;
        var energies = new float[Blocks(outputs, unitChannels) * taps];
        for (int o = 0; o < outputs; o++)
        {
            for (int tap = 0; tap < taps; tap++)
            {
                float weight = values[outputsLast ? (tap * outputs) + o : (o * taps) + tap];
                energies[(o / unitChannels * taps) + tap] += weight * weight;
            }
        }

        return energies;
    }

    /// <summary>A copy of the weights in which the given units are zero.</summary>
    /// <param name="weights">The layer's tensor.</param>
    /// <param name="outputsLast">Whether the tensor is [taps, outputs], as a matrix product's second factor.</param>
    /// <param name="outputs">Output channels.</param>
    /// <param name="unitChannels">Output channels per unit.</param>
    /// <param name="units">Units to zero, numbered as in <see cref="Rank"/>.</param>
    public static Tensor Zero(Tensor weights, bool outputsLast, int outputs, int unitChannels, ReadOnlySpan<int> units)
    {
        Tensor masked = weights.Clone();
        Span<float> values = masked.Values<float>();
        int taps = values.Length / outputs;
        foreach (int unit in units)
        {
            int firstOutput = unit / taps * unitChannels, tap = unit % taps;
            int afterOutput = Math.Min(outputs, firstOutput + unitChannels);
            for (int o = firstOutput; o < afterOutput; o++) values[outputsLast ? (tap * outputs) + o : (o * taps) + tap] = 0;
        }

        return masked;
    }

    private static int Blocks(int outputs, int blockChannels) => (outputs + blockChannels - 1) / blockChannels;
}
