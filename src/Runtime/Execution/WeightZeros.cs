using System.Runtime.CompilerServices;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>How many weights of a layer are zero, singly and in whole blocks of output channels.</summary>
/// <param name="Weights">Share of weights that are not zero.</param>
/// <param name="Blocks">
/// Share of blocks that hold a weight that is not zero; a block is one input tap of as many adjacent output channels as
/// a channel block of this CPU has.
/// </param>
internal sealed record WeightZeros(double Weights, double Blocks)
{
    private static readonly ConditionalWeakTable<Tensor, WeightZeros> OutputMajor = [];
    private static readonly ConditionalWeakTable<Tensor, WeightZeros> InputMajor = [];

    /// <summary>
    /// Counts once per tensor: planning asks thousands of times for the same layer. A tensor must not change after its
    /// first count; graphs replace initializers, they never write into them.
    /// </summary>
    /// <param name="weights">[OutChannels, taps...], or [taps, OutChannels] when <paramref name="transposed"/>.</param>
    /// <param name="outChannels">Output channels.</param>
    /// <param name="transposed">Whether output channels are the last dimension.</param>
    public static WeightZeros Of(Tensor weights, int outChannels, bool transposed) => transposed
        ? InputMajor.GetValue(weights, tensor => Count(tensor, outChannels, 1, outChannels))
        : OutputMajor.GetValue(weights, tensor => Count(tensor, outChannels, tensor.Count / outChannels, 1));

    private static WeightZeros Count(Tensor weights, int outChannels, int outputStride, int tapStride)
    {
        ReadOnlySpan<float> values = weights.Values<float>();
        int zeros = CountZeros(values);
        if (zeros == 0) return new WeightZeros(1, 1);
        int taps = weights.Count / outChannels;
        int kept = 0;
        int blocks = 0;
        for (int first = 0; first < outChannels; first += CpuFeatures.ChannelBlock)
        {
            int end = Math.Min(first + CpuFeatures.ChannelBlock, outChannels);
            for (int tap = 0; tap < taps; tap++)
            {
                bool any = false;
                for (int output = first; output < end && !any; output++) any = values[(output * outputStride) + (tap * tapStride)] != 0;
                if (any) kept++;
                blocks++;
            }
        }

        return new WeightZeros(1 - ((double)zeros / values.Length), (double)kept / blocks);
    }

    private static int CountZeros(ReadOnlySpan<float> values)
    {
        int zeros = 0;
        foreach (float value in values) zeros += value == 0 ? 1 : 0;
        return zeros;
    }

    /// <summary>
    /// Rounds a density so that layers which take practically the same time share one measurement: steps of 1/32, and of
    /// 1/128 below one quarter, where a step of 1/32 would be a large part of the work.
    /// </summary>
    public static double Bucket(double density)
    {
        double step = density < 0.25 ? 1.0 / 128 : 1.0 / 32;
        return Math.Clamp(Math.Round(density / step) * step, 1.0 / 128, 1);
    }
}
