using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Training;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace CoInference.Runtime.Sparsity;

/// <summary>
/// First-order change of the loss when a weight, or all weights of a filter, become zero: the squared product of weight and
/// gradient, summed over batches (Molchanov et al., "Importance Estimation for Neural Network Pruning", 2019). The loss is
/// the cross-entropy with the class that the network itself gives, so that no labels are needed.
/// </summary>
internal sealed class TaylorImportance
{
    private const int MostImagesPerBatch = 32;

    private readonly Dictionary<string, float[]> _weights = new(StringComparer.Ordinal);
    private readonly Dictionary<string, double[]> _filters = new(StringComparer.Ordinal);

    /// <summary>Runs the network forward and backward on calibration images.</summary>
    /// <param name="canonical">A simplified classifier.</param>
    /// <param name="calibration">Preprocessed images, [N, C, H, W].</param>
    /// <param name="threads">Threads.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="NotSupportedException">The network cannot be trained through; the message names the node.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public TaylorImportance(Graph canonical, Tensor calibration, int threads, CancellationToken cancellation)
    {
        int batch = Math.Min(MostImagesPerBatch, calibration.Shape[0]), size = calibration.Count / calibration.Shape[0];
        using var network = new TrainingNetwork(canonical, batch, threads);
        var logits = new float[batch * network.Classes];
        var gradients = new float[logits.Length];
        var labels = new int[batch];
        foreach (TrainingParameter parameter in network.Parameters.Where(parameter => parameter.Decays))
        {
            _weights.Add(parameter.Name, new float[parameter.Values.Length]);
            _filters.Add(parameter.Name, new double[canonical.Initializers[parameter.Name].Shape[0]]);
        }

        for (int first = 0; first + batch <= calibration.Shape[0]; first += batch)
        {
            cancellation.ThrowIfCancellationRequested();
            for (int image = 0; image < batch; image++) network.SetImage(image, calibration.Values<float>().Slice((first + image) * size, size));
            network.Forward(logits);
            for (int image = 0; image < batch; image++)
                labels[image] = TensorPrimitives.IndexOfMax<float>(logits.AsSpan(image * network.Classes, network.Classes));
            new ClassificationLoss().Measure(logits, labels, [], gradients);
            network.Backward(gradients);
            foreach (TrainingParameter parameter in network.Parameters.Where(parameter => parameter.Decays)) Add(parameter);
        }
    }

    /// <summary>Scores of the filters of a weight tensor, whose first axis they are; null when nothing is known of it.</summary>
    public double[]? Filters(string weights) => _filters.GetValueOrDefault(weights);

    /// <summary>A graph whose weights are replaced by their scores: sliced as the network is, it still says what each remaining weight is worth.</summary>
    public Graph Scores(Graph canonical)
    {
        // The very same nodes: what was analysed about them holds for both graphs.
        var scores = new Graph { Name = canonical.Name, Opset = canonical.Opset };
        scores.Inputs.AddRange(canonical.Inputs);
        scores.Outputs.AddRange(canonical.Outputs);
        scores.Nodes.AddRange(canonical.Nodes);
        foreach ((string name, Tensor value) in canonical.Initializers)
            scores.Initializers.Add(name, _weights.TryGetValue(name, out float[]? worth) ? Tensor.From<float>(value.Shape, worth) : value);
        return scores;
    }

    private void Add(TrainingParameter parameter)
    {
        float[] weights = _weights[parameter.Name];
        double[] filters = _filters[parameter.Name];
        int taps = weights.Length / filters.Length;
        for (int filter = 0; filter < filters.Length; filter++)
        {
            double sum = 0;
            for (int i = filter * taps; i < (filter + 1) * taps; i++)
            {
                float product = parameter.Values[i] * parameter.Gradients[i];
                weights[i] += product * product;
                sum += product;
            }

            filters[filter] += sum * sum;
        }
    }
}
