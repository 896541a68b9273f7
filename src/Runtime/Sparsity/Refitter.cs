using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Sparsity;

/// <summary>
/// Adapts the weights of a pruned network, layer by layer and without labels, so that each layer reproduces the
/// original network's output from the pruned network's own input: errors of earlier layers are repaired and do not
/// accumulate (He, Zhang, Sun, Channel Pruning for Accelerating Very Deep Neural Networks, ICCV 2017, section 3.2).
/// </summary>
internal sealed class Refitter
{
    // A layer's rows never take more memory than this; a wide layer then has fewer rows and leans on the ridge.
    private const int MaxRowFloats = 1 << 24;
    private const int MinRows = 1024;

    // Rows per column from which on the ridge need not grow.
    private const double WellSampled = 6;

    // Conjugate gradients stop early on purpose where further steps would only fit the sample's noise.
    private const int SupportIterations = 24;

    private readonly Graph _original;
    private readonly CalibrationActivation _images;
    private readonly PrunerOptions _options;
    private readonly Dictionary<string, RefitLayer> _layers = new(StringComparer.Ordinal);

    /// <summary>Runs the original network once and records what its layers should reproduce.</summary>
    /// <param name="original">The canonical graph.</param>
    /// <param name="images">Calibration images.</param>
    /// <param name="options">Options.</param>
    /// <param name="observe">Called with each layer of the original network, its sampled positions and its input.</param>
    /// <param name="cancellation">Stops the run.</param>
    public Refitter(
        Graph original,
        CalibrationActivation images,
        PrunerOptions options,
        Action<Node, LayerWeights, RefitLayer, CalibrationActivation>? observe,
        CancellationToken cancellation)
    {
        (_original, _images, _options) = (original, images, options);
        Dictionary<string, List<Node>> consumers = original.Consumers();
        var computed = new HashSet<string>(StringComparer.Ordinal) { original.Inputs[0].Name };
        var recorded = new Dictionary<string, List<RefitLayer>>(StringComparer.Ordinal);
        var network = new CalibrationNetwork(original, images, options.Workers);
        var random = new Random(options.Seed);
        network.Run(
            (node, layer, input) =>
            {
                (string target, string? shortcut) = RefitLayer.Aim(node, original, consumers, computed);
                int taps = layer.Taps;
                int rows = (int)Math.Min(Math.Max(MinRows, options.Refit.RowsPerColumn * taps), Math.Max(1, MaxRowFloats / taps));
                var aim = new RefitLayer(node.Name, layer.Shape, target, shortcut, images.Images, rows, random)
                {
                    Range = RefitLayer.ClampRange(target, original, consumers),
                };
                _layers.Add(node.Name, aim);
                if (!recorded.TryGetValue(target, out List<RefitLayer>? waiting)) recorded[target] = waiting = [];
                waiting.Add(aim);
                observe?.Invoke(node, layer, aim, input);
            },
            node =>
            {
                foreach (string output in node.Outputs)
                {
                    computed.Add(output);
                    if (!recorded.TryGetValue(output, out List<RefitLayer>? waiting) || network.Value(output) is not { } value) continue;
                    foreach (RefitLayer layer in waiting) layer.Record(value);
                }
            },
            cancellation);
    }

    /// <summary>Re-fits every layer whose input or weights differ from the original network's.</summary>
    /// <param name="pruned">The pruned graph; its weights are replaced.</param>
    /// <param name="keptOutputs">For a layer of the original network the output channels that are left, in their new order.</param>
    /// <param name="masked">Names of the layers whose zeros must stay zero.</param>
    /// <param name="cancellation">Stops the run.</param>
    public void Refit(Graph pruned, Func<string, int[]> keptOutputs, IReadOnlySet<string> masked, CancellationToken cancellation)
    {
        var originals = _original.Nodes.ToDictionary(node => node.Name, StringComparer.Ordinal);
        var changed = new HashSet<string>(StringComparer.Ordinal);
        var network = new CalibrationNetwork(pruned, _images, _options.Workers);
        network.Run(
            (node, layer, input) =>
            {
                if (!_layers.TryGetValue(node.Name, out RefitLayer? aim)) return;
                bool needsFit = changed.Contains(node.Inputs[0]) || masked.Contains(node.Name) || (aim.Shortcut is { } other && changed.Contains(other));
                if (!needsFit || (!layer.HasBias && _options.Refit.Mode == RefitMode.Bias)) return;
                Fit(layer, input, aim, keptOutputs(node.Name), aim.Shortcut is { } name ? network.Value(name) : null, masked.Contains(node.Name));
                layer.Write();
                changed.UnionWith(node.Outputs);
            },
            node =>
            {
                if (node.Inputs.Any(changed.Contains) || !originals.TryGetValue(node.Name, out Node? original) || Differs(node, pruned, original)) changed.UnionWith(node.Outputs);
            },
            cancellation);
    }

    private bool Differs(Node node, Graph pruned, Node original)
    {
        if (node.OpType != original.OpType) return true;
        for (int i = 0; i < node.Inputs.Count; i++)
        {
            Tensor? now = pruned.Initializers.GetValueOrDefault(node.Inputs[i]);
            Tensor? before = i < original.Inputs.Count ? _original.Initializers.GetValueOrDefault(original.Inputs[i]) : null;
            if (now != before) return true;
        }

        return false;
    }

    private void Fit(LayerWeights layer, CalibrationActivation input, RefitLayer aim, int[] keptOutputs, CalibrationActivation? shortcut, bool isMasked)
    {
        ConvShape shape = layer.Shape;
        int rows = aim.Positions.Length, outputs = shape.OutChannels / shape.Groups;
        bool isClamped = aim.Range != (float.NegativeInfinity, float.PositiveInfinity) && _options.Refit.Mode == RefitMode.LeastSquares;
        var x = new float[rows * layer.Taps];
        var y = new float[rows * outputs];
        var weights = new float[layer.Taps * outputs];
        for (int group = 0; group < shape.Groups; group++)
        {
            int first = group * outputs;
            Span<float> bias = layer.Bias.AsSpan(first, outputs);
            PatchMatrix.Gather(input, shape, group, aim.Positions, x, layer.Taps);
            for (int tap = 0; tap < layer.Taps; tap++)
            {
                layer.Matrix.AsSpan((tap * shape.OutChannels) + first, outputs).CopyTo(weights.AsSpan(tap * outputs));
            }

            float[] start = [.. weights];
            SetTargets(prediction: default);
            var equations = new NormalEquations(rows, x, layer.Taps, y, outputs, _options.Workers);
            Solve(equations, weights, bias, isMasked);
            for (int pass = 0; isClamped && pass < _options.Refit.ActivationPasses; pass++)
            {
                var prediction = new float[y.Length];
                equations.Predict(weights, bias, prediction);
                SetTargets(prediction);
                equations.Aim(y);
                start.CopyTo(weights, 0);
                Solve(equations, weights, bias, isMasked);
            }

            for (int tap = 0; tap < layer.Taps; tap++)
            {
                weights.AsSpan(tap * outputs, outputs).CopyTo(layer.Matrix.AsSpan((tap * shape.OutChannels) + first));
            }

            void SetTargets(ReadOnlySpan<float> prediction)
            {
                for (int i = 0; i < rows; i++)
                {
                    for (int o = 0; o < outputs; o++)
                    {
                        float wanted = aim.Targets[(i * aim.Shape.OutChannels) + keptOutputs[first + o]];
                        float other = shortcut is null ? 0 : shortcut.Values[(aim.Positions[i] * shape.OutChannels) + first + o];
                        if (!prediction.IsEmpty)
                        {
                            // Beyond the clamp the activation cannot tell values apart: any prediction out there is right.
                            float sum = prediction[(i * outputs) + o] + other;
                            if (wanted <= aim.Range.Low) wanted = Math.Min(sum, aim.Range.Low);
                            else if (wanted >= aim.Range.High) wanted = Math.Max(sum, aim.Range.High);
                        }

                        y[(i * outputs) + o] = wanted - other;
                    }
                }
            }
        }
    }

    private void Solve(NormalEquations equations, float[] weights, Span<float> bias, bool isMasked)
    {
        // With few rows per column the sample's noise would be fitted: the pull towards the old weights grows.
        double shortage = Math.Max(1, WellSampled * equations.Taps / equations.Rows);
        double ridge = _options.Refit.Ridge * shortage * shortage;
        if (_options.Refit.Mode == RefitMode.Bias) equations.SetBias(weights, bias);
        else if (isMasked) equations.SolveOnSupport(weights, bias, ridge, SupportIterations);
        else equations.Solve(weights, bias, ridge);
    }
}
