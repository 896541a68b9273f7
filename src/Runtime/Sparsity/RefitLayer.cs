using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Sparsity;

/// <summary>What the re-fit of one layer aims at: the original network's values at sampled output positions.</summary>
internal sealed class RefitLayer
{
    /// <summary>Creates the aim of a layer; its targets are recorded later.</summary>
    /// <param name="node">The layer.</param>
    /// <param name="shape">Its shape for one image.</param>
    /// <param name="targetValue">The value to reproduce: the layer's output, or the sum it is added into.</param>
    /// <param name="shortcut">The other summand when the target is a sum.</param>
    /// <param name="images">Calibration images.</param>
    /// <param name="rows">Sampled positions, all images together, at most.</param>
    /// <param name="random">Source of the positions.</param>
    public RefitLayer(string node, ConvShape shape, string targetValue, string? shortcut, int images, int rows, Random random)
    {
        (Node, Shape, TargetValue, Shortcut) = (node, shape, targetValue, shortcut);
        int pixels = shape.OutHeight * shape.OutWidth;
        int perImage = Math.Clamp((rows + images - 1) / images, 1, pixels);
        var order = new int[pixels];
        for (int p = 0; p < pixels; p++) order[p] = p;
        Positions = new int[images * perImage];
        for (int n = 0; n < images; n++)
        {
            // A partial shuffle draws without replacement.
            for (int i = 0; i < perImage; i++)
            {
                int other = random.Next(i, pixels);
                (order[i], order[other]) = (order[other], order[i]);
                Positions[(n * perImage) + i] = (n * pixels) + order[i];
            }
        }

        Array.Sort(Positions);
        Targets = new float[Positions.Length * shape.OutChannels];
    }

    /// <summary>Name of the layer's node.</summary>
    public string Node { get; }

    /// <summary>Shape in the original network, for one image.</summary>
    public ConvShape Shape { get; }

    /// <summary>The value to reproduce.</summary>
    public string TargetValue { get; }

    /// <summary>The other summand of the target, or null.</summary>
    public string? Shortcut { get; }

    /// <summary>Sampled output positions, image-major.</summary>
    public int[] Positions { get; }

    /// <summary>The original network's target values, [positions, original output channels].</summary>
    public float[] Targets { get; }

    /// <summary>The range that the activation after the target lets through; what lies outside only has to stay outside.</summary>
    public (float Low, float High) Range { get; init; } = (float.NegativeInfinity, float.PositiveInfinity);

    /// <summary>Copies the sampled rows of the target value.</summary>
    public void Record(CalibrationActivation value)
    {
        int channels = value.Channels;
        for (int i = 0; i < Positions.Length; i++) value.Values.AsSpan(Positions[i] * channels, channels).CopyTo(Targets.AsSpan(i * channels));
    }

    /// <summary>
    /// The value a layer should reproduce. A layer that ends in a residual addition can also repair what the other
    /// branch lost, if that branch is computed before it.
    /// </summary>
    public static (string Target, string? Shortcut) Aim(Node layer, Graph graph, Dictionary<string, List<Node>> consumers, ISet<string> computedBefore)
    {
        string output = layer.Outputs[0];
        if (!consumers.TryGetValue(output, out List<Node>? readers) || readers is not [{ OpType: "Add" } sum] ||
            graph.Outputs.Any(info => info.Name == output))
        {
            return (output, null);
        }

        string other = sum.Inputs[0] == output ? sum.Inputs[1] : sum.Inputs[0];
        return computedBefore.Contains(other) ? (sum.Outputs[0], other) : (output, null);
    }

    /// <summary>The range that all readers of a value clamp it to, or an infinite one.</summary>
    public static (float Low, float High) ClampRange(string value, Graph graph, Dictionary<string, List<Node>> consumers)
    {
        (float Low, float High) everything = (float.NegativeInfinity, float.PositiveInfinity);
        if (!consumers.TryGetValue(value, out List<Node>? readers) || graph.Outputs.Any(info => info.Name == value)) return everything;
        (float Low, float High)? common = null;
        foreach (Node reader in readers)
        {
            (float, float) range = reader.OpType switch
            {
                "Relu" => (0, float.PositiveInfinity),
                "Clip" => (Bound(reader, 1, "min", everything.Low), Bound(reader, 2, "max", everything.High)),
                _ => everything,
            };
            if ((common ??= range) != range) return everything;
        }

        return common ?? everything;

        float Bound(Node clip, int index, string attribute, float absent) =>
            clip.Input(index) is not { } name ? clip.Float(attribute, absent)
            : graph.Initializers.TryGetValue(name, out Tensor? bound) && bound.Type == ElementType.Float32 ? bound.Values<float>()[0] : absent;
    }
}
