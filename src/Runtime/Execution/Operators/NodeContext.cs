using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Execution.Operators;

/// <summary>What an operator sees of one node: attributes, the operator-set version, and what is known of the inputs.</summary>
/// <param name="node">The node.</param>
/// <param name="opset">Version of the default operator set.</param>
/// <param name="inputs">One entry per input of the node; null where an optional input is left out.</param>
public sealed class NodeContext(Node node, int opset, IReadOnlyList<ValueSpec?> inputs)
{
    /// <summary>The node.</summary>
    public Node Node => node;

    /// <summary>Version of the default operator set.</summary>
    public int Opset => opset;

    /// <summary>What is known of the inputs; null where an optional input is left out.</summary>
    public IReadOnlyList<ValueSpec?> Inputs => inputs;

    /// <summary>Whether the input is there.</summary>
    public bool Has(int index) => index < inputs.Count && inputs[index] is not null;

    /// <summary>Whether the node names the output.</summary>
    public bool Wants(int output) => output < node.Outputs.Count && node.Outputs[output].Length > 0;

    /// <summary>What is known of a required input.</summary>
    /// <exception cref="InvalidDataException">The node lacks the input.</exception>
    public ValueSpec Spec(int index) => Has(index) ? inputs[index]! : throw new InvalidDataException($"Node {node} lacks input {index}.");

    /// <summary>The shape of a required input.</summary>
    /// <exception cref="InvalidDataException">The node lacks the input, or its shape is not known.</exception>
    public TensorShape Shape(int index) =>
        Spec(index).Shape ?? throw new InvalidDataException($"The shape of input {index} of node {node} is not known.");

    /// <summary>The value of a required input.</summary>
    /// <exception cref="InvalidDataException">The node lacks the input, or its value is not known.</exception>
    public Tensor Tensor(int index) =>
        Spec(index).Value ?? throw new InvalidDataException($"The value of input {index} of node {node} is not known.");

    /// <summary>The value of an optional input, or null.</summary>
    /// <exception cref="InvalidDataException">The value is not known.</exception>
    public Tensor? OptionalTensor(int index) => Has(index) ? Tensor(index) : null;

    /// <summary>All inputs that are there.</summary>
    public Tensor[] Tensors() => Enumerable.Range(0, inputs.Count).Where(Has).Select(Tensor).ToArray();

    /// <summary>Shapes of all inputs that are there.</summary>
    public TensorShape[] Shapes() => Enumerable.Range(0, inputs.Count).Where(Has).Select(Shape).ToArray();

    /// <summary>Integers that older operator sets keep in an attribute and newer ones in an input; null when neither is there.</summary>
    /// <exception cref="InvalidDataException">The attribute or input has the wrong type.</exception>
    public long[]? Ints(string attribute, int index) =>
        node.Ints(attribute) ?? (Has(index) ? IntsOf(index) : null);

    /// <summary>The integers of a required Int32 or Int64 input.</summary>
    /// <exception cref="InvalidDataException">The input is missing or has another type.</exception>
    public long[] IntsOf(int index)
    {
        Tensor value = Tensor(index);
        if (value.Type is not (ElementType.Int64 or ElementType.Int32))
            throw new InvalidDataException($"Input {index} of node {node} is {value.Type}, expected Int64.");
        return Casting.Cast(value, ElementType.Int64).Values<long>().ToArray();
    }

    /// <summary>The only element of an optional input as a double, or <paramref name="absent"/>.</summary>
    /// <exception cref="InvalidDataException">The input has not exactly one element.</exception>
    public double Scalar(int index, double absent)
    {
        if (OptionalTensor(index) is not { } value) return absent;
        if (value.Count != 1) throw new InvalidDataException($"Input {index} of node {node} has shape {value.Shape}, expected one element.");
        return Casting.Cast(value, ElementType.Float64).Values<double>()[0];
    }

    /// <summary>An integer attribute that must fit 32 bits.</summary>
    /// <exception cref="InvalidDataException">It has another type or does not fit.</exception>
    public int Int32(string name, int absent)
    {
        long value = node.Int(name, absent);
        return value is >= int.MinValue and <= int.MaxValue ? (int)value : throw new InvalidDataException($"Attribute '{name}' of node {node} is {value}.");
    }

    /// <summary>An error about this node.</summary>
    public InvalidDataException Invalid(string problem) => new($"Node {node}: {problem}");

    /// <summary>An error about something this node asks for that is not supported.</summary>
    public NotSupportedException Unsupported(string what) => new($"Node {node}: {what}");
}
