using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;

namespace CoInference.Runtime.Execution;

/// <summary>Random layers for timing: the values do not matter to the time, the pattern of zeros does.</summary>
internal static class RandomWeights
{
    private const int Seed = 20_240_607;

    /// <summary>Random weights of a density, zeros placed as the form has them, and a random bias.</summary>
    public static (float[] Values, float[] Bias) Create(ConvShape shape, WeightForm form, double density)
    {
        var random = new Random(Seed);
        var values = new float[shape.WeightCount];
        int taps = values.Length / shape.OutChannels;
        if (form == WeightForm.Block)
        {
            for (int first = 0; first < shape.OutChannels; first += CpuFeatures.ChannelBlock)
            {
                int end = Math.Min(first + CpuFeatures.ChannelBlock, shape.OutChannels);
                for (int tap = 0; tap < taps; tap++)
                {
                    if (random.NextDouble() >= density) continue;
                    for (int output = first; output < end; output++) values[(output * taps) + tap] = Value(random);
                }
            }
        }
        else
        {
            bool dense = form == WeightForm.Dense;
            for (int i = 0; i < values.Length; i++)
            {
                if (dense || random.NextDouble() < density) values[i] = Value(random);
            }
        }

        var bias = new float[shape.OutChannels];
        for (int i = 0; i < bias.Length; i++) bias[i] = Value(random);
        return (values, bias);
    }

    /// <summary>Fills activations.</summary>
    public static void Fill(Span<float> values)
    {
        var random = new Random(Seed);
        foreach (ref float value in values) value = Value(random);
    }

    // Never zero: a stored zero would be one weight less for a sparse kernel.
    private static float Value(Random random) => (float)((random.NextDouble() + 0.01) * (random.Next(2) == 0 ? -0.1 : 0.1));
}
