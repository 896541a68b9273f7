using CoInference.Kernels.Devices;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Sparsity;

namespace CoInference.Runtime.Training;

/// <summary>
/// Gives a network whose batch normalizations are folded into its convolutions new ones, so that it trains as well as it did
/// before: a deep network without them takes small steps only. What the network computes does not change.
/// </summary>
public static class Renormalization
{
    private const float Epsilon = 1e-5f;

    /// <summary>Calibration images that are used, when there are as many.</summary>
    private const int Images = 128;

    /// <summary>A copy of a network with a batch normalization behind each convolution that has none.</summary>
    /// <remarks>
    /// The normalization takes out mean and deviation of the convolution's results on the calibration images and puts them
    /// back as its shift and scale. <see cref="GraphSimplifier"/> folds it again.
    /// </remarks>
    /// <param name="graph">A network with one input.</param>
    /// <param name="calibration">Images; labels are not used.</param>
    /// <param name="preprocessing">How pixels become network input.</param>
    /// <param name="threads">Threads.</param>
    /// <param name="frozen">Value up to which nothing will be trained and nothing is changed; null for none.</param>
    /// <param name="cancellation">Checked before each node.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Graph Insert(
        Graph graph, ImageSet calibration, Preprocessing preprocessing, int threads, string? frozen = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(preprocessing);
        using var workers = new WorkerSet(threads);
        HashSet<Node> kept = frozen is null ? [] : graph.Ancestors(frozen);
        Dictionary<string, List<Node>> consumers = graph.Consumers();
        var moments = new Dictionary<string, (float[] Means, float[] Variances)>(StringComparer.Ordinal);
        var network = new CalibrationNetwork(graph, CalibrationActivation.FromTensor(preprocessing.Apply(calibration, Images)), workers);
        network.Run(
            null,
            node =>
            {
                if (node.OpType != "Conv" || kept.Contains(node)) return;
                bool isNormalized = consumers.GetValueOrDefault(node.Outputs[0]) is { } readers && readers.Exists(reader => reader.OpType == "BatchNormalization");
                if (!isNormalized && network.Value(node.Outputs[0]) is { Shape.Rank: 4 } value) moments.Add(node.Outputs[0], Moments(value));
            },
            cancellation);

        Graph result = graph.Clone();
        for (int i = result.Nodes.Count - 1; i >= 0; i--)
        {
            Node node = result.Nodes[i];
            if (node.OpType == "Conv" && moments.TryGetValue(node.Outputs[0], out (float[] Means, float[] Variances) found))
                result.Nodes.Insert(i + 1, Normalize(result, node, found.Means, found.Variances));
        }

        GraphSimplifier.RemoveDeadNodes(result);
        return result;
    }

    private static Node Normalize(Graph graph, Node convolution, float[] means, float[] variances)
    {
        string value = convolution.Outputs[0], plain = $"{value}.unnormalized";
        float[] running = [.. means];
        if (convolution.Input(2) is { } bias)
        {
            // The shift takes the bias over.
            ReadOnlySpan<float> biases = graph.Initializers[bias].Values<float>();
            for (int channel = 0; channel < running.Length; channel++) running[channel] -= biases[channel];
            convolution.Inputs.RemoveRange(2, convolution.Inputs.Count - 2);
        }

        convolution.Outputs[0] = plain;
        var node = new Node { Name = $"{convolution.Name}.norm", OpType = "BatchNormalization" };
        node.Attributes.Add("epsilon", Epsilon);
        node.Inputs.Add(plain);
        node.Outputs.Add(value);
        Add("scale", Array.ConvertAll(variances, variance => MathF.Sqrt(variance + Epsilon)));
        Add("shift", means);
        Add("mean", running);
        Add("variance", variances);
        return node;

        void Add(string role, float[] values)
        {
            string name = $"{value}.norm.{role}";
            graph.Initializers.Add(name, Tensor.From<float>(new TensorShape(values.Length), values));
            node.Inputs.Add(name);
        }
    }

    private static (float[] Means, float[] Variances) Moments(CalibrationActivation value)
    {
        int channels = value.Channels;
        double[] sums = new double[channels], squares = new double[channels];
        for (int pixel = 0; pixel < value.Pixels; pixel++)
        {
            ReadOnlySpan<float> values = value.Values.AsSpan(pixel * channels, channels);
            for (int channel = 0; channel < channels; channel++)
            {
                sums[channel] += values[channel];
                squares[channel] += (double)values[channel] * values[channel];
            }
        }

        double[] means = Array.ConvertAll(sums, sum => sum / value.Pixels);
        return (
            Array.ConvertAll(means, mean => (float)mean),
            [.. squares.Select((square, channel) => (float)Math.Max(0, (square / value.Pixels) - (means[channel] * means[channel])))]);
    }
}
