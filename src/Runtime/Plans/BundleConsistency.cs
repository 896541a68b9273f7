using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Plans;

/// <summary>Whether the parts of a bundle fit together.</summary>
internal static class BundleConsistency
{
    /// <summary>Derives the manifest, without files, from the parts.</summary>
    /// <exception cref="InvalidDataException">The parts do not fit together.</exception>
    public static BundleManifest Describe(Graph? device, Graph? edge, FeatureCodec? codec)
    {
        if (device is null && edge is null) throw new InvalidDataException("A bundle needs a device half, an edge half, or both.");
        Ends? deviceEnds = device is null ? null : Ends.Of(device, "device half");
        Ends? edgeEnds = edge is null ? null : Ends.Of(edge, "edge half");
        TensorShape image = (deviceEnds ?? edgeEnds!.Value).Input, logits = (edgeEnds ?? deviceEnds!.Value).Output;
        if (image.Rank != 4) throw new InvalidDataException($"The network's input has shape {image}, expected an image [1, channels, height, width].");
        if (edge is null && codec is not null) throw new InvalidDataException("A bundle without an edge half needs no codec: nothing crosses.");
        if (device is not null && edge is not null && codec is null) throw new InvalidDataException("A bundle of two halves needs a codec for the feature between them.");

        int[] feature = [];
        if (codec is not null)
        {
            TensorShape produced = deviceEnds?.Output ?? image, consumed = edgeEnds!.Value.Input;
            if (produced != consumed) throw new InvalidDataException($"The device half makes a feature of shape {produced}, the edge half reads {consumed}.");
            if (codec.FeatureShape != produced) throw new InvalidDataException($"The codec is for features of shape {codec.FeatureShape}, the halves exchange {produced}.");
            feature = produced.Dimensions.ToArray();
        }

        return new BundleManifest([image[1], image[2], image[3]], feature, logits.Count, []);
    }

    /// <summary>Checks the plan against the parts.</summary>
    /// <exception cref="InvalidDataException">They do not fit together; the message starts with <paramref name="name"/>.</exception>
    public static void Check(string name, Plan plan, FeatureCodec? codec, Preprocessing preprocessing)
    {
        PlanValidation.Check(plan, name);
        if (plan.Codec != codec?.Decision)
            throw new InvalidDataException($"{name}: the plan's codec is {Show(plan.Codec)}, the codec file's is {Show(codec?.Decision)}.");
        int channels = plan.Bundle!.ImageShape[0];
        foreach ((string field, int count) in (ReadOnlySpan<(string, int)>)[("mean", preprocessing.Mean.Count), ("std", preprocessing.Std.Count)])
        {
            if (count != 1 && count != channels) throw new InvalidDataException($"{name}: field 'preprocessing.{field}' has {count} numbers for an image of {channels} channels.");
        }
    }

    private static string Show(CodecDecision? decision) =>
        decision is null ? "none" : $"{decision.Channels} of {decision.TotalChannels} channels at {decision.Bits} bits{(decision.EntropyCoded ? ", entropy coded" : "")}";

    private readonly record struct Ends(TensorShape Input, TensorShape Output)
    {
        public static Ends Of(Graph graph, string name)
        {
            if (graph.Inputs.Count != 1 || graph.Outputs.Count != 1)
                throw new InvalidDataException($"The {name} has {graph.Inputs.Count} inputs and {graph.Outputs.Count} outputs, expected one of each.");
            IReadOnlyDictionary<string, ValueSpec> values = ShapeInference.Infer(graph);
            return new Ends(ShapeOf(graph.Inputs[0].Name), ShapeOf(graph.Outputs[0].Name));

            TensorShape ShapeOf(string value)
            {
                if (!values.TryGetValue(value, out ValueSpec? spec) || spec.Shape is not { Rank: > 0 } shape || shape[0] != 1)
                    throw new InvalidDataException($"The {name} has no known batch-1 shape for value '{value}'.");
                if (spec.Type != ElementType.Float32) throw new InvalidDataException($"Value '{value}' of the {name} is {spec.Type}, expected Float32.");
                return shape;
            }
        }
    }
}
