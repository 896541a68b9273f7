using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Graphs;

/// <summary>
/// A network as ONNX describes it: nodes connected by value names. Imported, split, pruned and exported in this form;
/// a session compiles it into steps and never changes it.
/// </summary>
public sealed class Graph
{
    /// <summary>Name of the graph.</summary>
    public string Name { get; set; } = "graph";

    /// <summary>Version of the default operator set.</summary>
    public int Opset { get; set; } = 13;

    /// <summary>Inputs that a caller feeds, in order. Initializers are not listed here.</summary>
    public List<ValueInfo> Inputs { get; } = [];

    /// <summary>Outputs, in order.</summary>
    public List<ValueInfo> Outputs { get; } = [];

    /// <summary>Nodes in an order in which every node comes after the producers of its inputs.</summary>
    public List<Node> Nodes { get; } = [];

    /// <summary>Constant values by name: weights, biases, shapes.</summary>
    public Dictionary<string, Tensor> Initializers { get; } = new(StringComparer.Ordinal);

    /// <summary>Key-value pairs stored with the model.</summary>
    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <summary>A copy whose lists, nodes and dictionaries are its own; initializer tensors are shared until replaced.</summary>
    public Graph Clone()
    {
        var copy = new Graph { Name = Name, Opset = Opset };
        copy.Inputs.AddRange(Inputs);
        copy.Outputs.AddRange(Outputs);
        copy.Nodes.AddRange(Nodes.Select(node => node.Clone()));
        foreach ((string name, Tensor value) in Initializers) copy.Initializers.Add(name, value);
        foreach ((string key, string value) in Metadata) copy.Metadata.Add(key, value);
        return copy;
    }

    /// <summary>The node that produces each value; inputs and initializers have none.</summary>
    public Dictionary<string, Node> Producers()
    {
        var producers = new Dictionary<string, Node>(StringComparer.Ordinal);
        foreach (Node node in Nodes)
        {
            foreach (string output in node.Outputs)
            {
                if (output.Length > 0) producers[output] = node;
            }
        }

        return producers;
    }

    /// <summary>The nodes that read each value, in graph order; a node that reads a value twice is listed twice.</summary>
    public Dictionary<string, List<Node>> Consumers()
    {
        var consumers = new Dictionary<string, List<Node>>(StringComparer.Ordinal);
        foreach (Node node in Nodes)
        {
            foreach (string input in node.Inputs)
            {
                if (input.Length == 0) continue;
                if (!consumers.TryGetValue(input, out List<Node>? readers)) consumers[input] = readers = [];
                readers.Add(node);
            }
        }

        return consumers;
    }

    /// <summary>The nodes that a value is computed by; none for an input or initializer.</summary>
    public HashSet<Node> Ancestors(string value)
    {
        var needed = new HashSet<string>(StringComparer.Ordinal) { value };
        var found = new HashSet<Node>();
        for (int i = Nodes.Count - 1; i >= 0; i--)
        {
            if (!Nodes[i].Outputs.Exists(needed.Contains)) continue;
            found.Add(Nodes[i]);
            needed.UnionWith(Nodes[i].Inputs);
        }

        return found;
    }
}
