using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution.Operators;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Execution;

/// <summary>
/// Runs a graph node by node on the reference kernels. Slow and simple: the oracle that every faster path is compared
/// with, and the way to run graphs whose shapes depend on data.
/// </summary>
public static class Interpreter
{
    /// <summary>Runs the graph once.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="inputs">One tensor per graph input, in order.</param>
    /// <param name="limits">Bounds on memory; null for <see cref="ExecutionLimits.Default"/>.</param>
    /// <returns>One tensor per graph output, in order. They may share memory with inputs, initializers and each other.</returns>
    /// <exception cref="ArgumentException">An input is missing, or has the wrong type or shape.</exception>
    /// <exception cref="NotSupportedException">An operator is not supported.</exception>
    /// <exception cref="InvalidDataException">A node and its inputs do not fit each other, or a limit is exceeded.</exception>
    public static IReadOnlyList<Tensor> Run(Graph graph, IReadOnlyList<Tensor> inputs, ExecutionLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(graph);
        Dictionary<string, Tensor> values = RunAll(graph, inputs, graph.Outputs.Select(output => output.Name), limits);
        return graph.Outputs.Select(output => values[output.Name]).ToArray();
    }

    /// <summary>Runs the graph once and gives any of its values.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="inputs">One tensor per graph input, in order.</param>
    /// <param name="names">The values wanted.</param>
    /// <param name="limits">Bounds on memory; null for <see cref="ExecutionLimits.Default"/>.</param>
    /// <returns>At least the values wanted, by name. They may share memory with inputs, initializers and each other.</returns>
    /// <exception cref="ArgumentException">An input is missing, or has the wrong type or shape.</exception>
    /// <exception cref="NotSupportedException">An operator is not supported.</exception>
    /// <exception cref="InvalidDataException">A node and its inputs do not fit each other, a wanted value does not exist, or a limit is exceeded.</exception>
    public static Dictionary<string, Tensor> RunAll(
        Graph graph, IReadOnlyList<Tensor> inputs, IEnumerable<string> names, ExecutionLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(names);
        CheckInputs(graph, inputs);
        limits ??= ExecutionLimits.Default;
        var values = new Dictionary<string, Tensor>(graph.Initializers, StringComparer.Ordinal);
        for (int i = 0; i < inputs.Count; i++) values[graph.Inputs[i].Name] = inputs[i];
        string[] wanted = names.ToArray();
        Dictionary<string, int> reads = CountReads(graph, wanted);
        long liveBytes = 0;
        foreach (Node node in graph.Nodes)
        {
            Tensor[] outputs = RunNode(node, graph.Opset, values, limits, liveBytes);
            for (int i = 0; i < outputs.Length; i++)
            {
                if (!reads.ContainsKey(node.Outputs[i])) continue;
                values[node.Outputs[i]] = outputs[i];
                liveBytes += outputs[i].Bytes.Length;
            }

            foreach (string input in node.Inputs)
            {
                if (input.Length == 0 || --reads[input] > 0 || graph.Initializers.ContainsKey(input)) continue;
                if (values.Remove(input, out Tensor? dead)) liveBytes -= dead.Bytes.Length;
            }
        }

        foreach (string name in wanted)
        {
            if (!values.ContainsKey(name)) throw new InvalidDataException($"The graph has no value '{name}'.");
        }

        return values;
    }

    private static Tensor[] RunNode(Node node, int opset, Dictionary<string, Tensor> values, ExecutionLimits limits, long liveBytes)
    {
        var inputs = new ValueSpec?[node.Inputs.Count];
        for (int i = 0; i < inputs.Length; i++)
        {
            if (node.Input(i) is not { } name) continue;
            inputs[i] = values.TryGetValue(name, out Tensor? value)
                ? ValueSpec.Of(value)
                : throw new InvalidDataException($"Node {node} reads value '{name}', which nothing before it defines.");
        }

        var context = new NodeContext(node, opset, inputs);
        foreach (ValueSpec output in OperatorTable.Infer(context))
        {
            if (output.Shape is not { } shape) continue;
            if (shape.Count > limits.MaxTensorElements)
                throw new InvalidDataException($"Node {node} makes a tensor of shape {shape}; the limit is {limits.MaxTensorElements} elements.");
            liveBytes += (long)shape.Count * output.Type.SizeInBytes();
            if (liveBytes > limits.MaxLiveBytes) throw new InvalidDataException($"At node {node} more than {limits.MaxLiveBytes} bytes are needed at one time.");
        }

        return OperatorTable.Run(context);
    }

    private static Dictionary<string, int> CountReads(Graph graph, string[] wanted)
    {
        var reads = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (string input in graph.Nodes.SelectMany(node => node.Inputs).Concat(wanted))
        {
            if (input.Length > 0) reads[input] = reads.GetValueOrDefault(input) + 1;
        }

        return reads;
    }

    private static void CheckInputs(Graph graph, IReadOnlyList<Tensor> inputs)
    {
        if (inputs.Count != graph.Inputs.Count)
            throw new ArgumentException($"{inputs.Count} inputs were given, the graph has {graph.Inputs.Count}.", nameof(inputs));
        for (int i = 0; i < inputs.Count; i++)
        {
            ValueInfo declared = graph.Inputs[i];
            bool fits = inputs[i].Type == declared.Type && (declared.Dimensions is null || declared.Dimensions.Count == inputs[i].Shape.Rank);
            for (int axis = 0; fits && axis < inputs[i].Shape.Rank; axis++)
                fits = declared.Dimensions?[axis].Size is null || declared.Dimensions[axis].Size == inputs[i].Shape[axis];
            if (fits) continue;
            string shape = declared.Dimensions is { } dimensions ? $" [{string.Join(", ", dimensions)}]" : "";
            throw new ArgumentException($"Input '{declared.Name}' is {inputs[i]}, expected {declared.Type}{shape}.", nameof(inputs));
        }
    }
}
