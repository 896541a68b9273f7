using System.Numerics.Tensors;
using CoInference.Kernels.Devices;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Sparsity;
using Tensor = CoInference.Kernels.Tensors.Tensor;

namespace CoInference.Runtime.IntegerNetworks;

/// <summary>Affine quantization of a value to unsigned bytes: real = scale x (byte - zero point).</summary>
/// <param name="Scale">Distance of two levels.</param>
/// <param name="ZeroPoint">The byte that stands for 0, exactly.</param>
internal readonly record struct ByteScale(float Scale, byte ZeroPoint)
{
    /// <summary>The scale that covers a range, widened to hold 0.</summary>
    public static ByteScale Of(float low, float high)
    {
        (low, high) = (Math.Min(low, 0), Math.Max(high, 0));
        float scale = high > low ? (high - low) / byte.MaxValue : 1;
        return new ByteScale(scale, (byte)Math.Clamp(MathF.Round(-low / scale), 0, byte.MaxValue));
    }
}

/// <summary>Ranges of a network's values on calibration images: those that lose least, in the mean square, when cut into 256 levels.</summary>
internal static class ActivationRanges
{
    private const int Levels = 256;

    /// <summary>Runs the network twice: for the extremes, then for the histograms between them.</summary>
    /// <param name="graph">The network.</param>
    /// <param name="images">Preprocessed calibration images, [N, C, H, W].</param>
    /// <param name="cancellation">Stops between two nodes.</param>
    public static Dictionary<string, ByteScale> Measure(Graph graph, Tensor images, CancellationToken cancellation)
    {
        var histograms = new Dictionary<string, ClippingRange.SampleHistogram>(StringComparer.Ordinal);
        Visit((name, values) => histograms[name] = new ClippingRange.SampleHistogram(TensorPrimitives.Min<float>(values), TensorPrimitives.Max<float>(values)));
        Visit((name, values) => histograms[name].Add(values));
        var scales = new Dictionary<string, ByteScale>(StringComparer.Ordinal);
        foreach ((string name, ClippingRange.SampleHistogram histogram) in histograms)
        {
            (float low, float high) = ClippingRange.Find(histogram, Levels);
            scales[name] = ByteScale.Of(low, high);
        }

        return scales;

        void Visit(Action<string, float[]> look)
        {
            CalibrationActivation input = CalibrationActivation.FromTensor(images);
            look(graph.Inputs[0].Name, input.Values);
            var network = new CalibrationNetwork(graph, input, WorkerSet.Single);
            network.Run(
                null,
                node =>
                {
                    foreach (string output in node.Outputs)
                    {
                        if (network.Value(output) is { } value) look(output, value.Values);
                    }
                },
                cancellation);
        }
    }
}
