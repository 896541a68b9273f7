using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Training.Bottlenecks;

/// <summary>A network with a trained bottleneck.</summary>
/// <param name="Network">The network, as it is deployed: its value <see cref="Bottleneck.Code"/> crosses.</param>
/// <param name="Hash">SHA-256 of its file, lower-case hex.</param>
/// <param name="Origin">Cut of the original network, and bits of the code.</param>
/// <param name="Code">Shape of the code, with a batch of 1.</param>
public sealed record BottleneckNetwork(Graph Network, string Hash, BottleneckOrigin Origin, TensorShape Code)
{
    /// <summary>Cut, channels and bits, e.g. <c>relu5.out+6x2</c>.</summary>
    public string Name => $"{Origin.Cut}+{Code[1]}x{Origin.Bits}";
}

/// <summary>
/// The bottlenecks that were trained for one network: for each cut a grid of channels and bits. It is a folder of networks,
/// as <c>coinference bottleneck</c> writes them; they are trained once and serve every search on the network.
/// </summary>
public static class BottleneckTable
{
    /// <summary>Reads a folder.</summary>
    /// <param name="folder">The folder; files that are not <c>.onnx</c> are left alone.</param>
    /// <param name="model">SHA-256 of the original network's file.</param>
    /// <returns>Ordered by cut, then falling channels, then falling bits.</returns>
    /// <exception cref="InvalidDataException">
    /// The folder holds no network, or one that has no bottleneck or belongs to another model; or a cut's grid has a hole or a
    /// bottleneck twice.
    /// </exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static IReadOnlyList<BottleneckNetwork> Load(string folder, string model)
    {
        ArgumentNullException.ThrowIfNull(folder);
        if (!Directory.Exists(folder)) throw new DirectoryNotFoundException($"There is no folder '{folder}' of bottlenecks.");
        BottleneckNetwork[] networks = [.. Directory.EnumerateFiles(folder, "*.onnx").Order(StringComparer.Ordinal).Select(file => Read(file, model))];
        if (networks.Length == 0) throw new InvalidDataException($"The folder '{folder}' holds no network (*.onnx) with a bottleneck.");
        foreach (IGrouping<string, BottleneckNetwork> cut in networks.GroupBy(network => network.Origin.Cut, StringComparer.Ordinal))
        {
            foreach (int channels in cut.Select(network => network.Code[1]).Distinct())
            {
                foreach (int bits in cut.Select(network => network.Origin.Bits).Distinct())
                {
                    int found = cut.Count(network => network.Code[1] == channels && network.Origin.Bits == bits);
                    if (found != 1) throw new InvalidDataException($"The folder '{folder}' holds {found} bottlenecks of {channels} channels and {bits} bits at '{cut.Key}', expected one of each pair.");
                }
            }
        }

        return [.. networks.OrderBy(network => network.Origin.Cut, StringComparer.Ordinal).ThenByDescending(network => network.Code[1]).ThenByDescending(network => network.Origin.Bits)];
    }

    private static BottleneckNetwork Read(string file, string model)
    {
        Graph network = GraphSimplifier.Simplify(OnnxModel.Load(file));
        BottleneckOrigin origin = BottleneckOrigin.Of(network) ?? throw new InvalidDataException($"The network '{file}' was not made by 'coinference bottleneck'.");
        if (origin.Model != model) throw new InvalidDataException($"The bottleneck '{file}' was trained for another network: its model is {origin.Model}, this one is {model}.");
        TensorShape code = ShapeInference.Infer(network).GetValueOrDefault(Bottleneck.Code)?.Shape
            ?? throw new InvalidDataException($"The network '{file}' has no value '{Bottleneck.Code}'.");
        return new BottleneckNetwork(network, ModelHash.OfFile(file), origin, code);
    }
}
