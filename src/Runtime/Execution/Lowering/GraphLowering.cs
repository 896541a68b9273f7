using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Execution;

/// <summary>Turns a graph of static shapes into operations: fast ones where one fits, reference ones elsewhere.</summary>
internal sealed class GraphLowering
{
    private static readonly Dictionary<string, Func<NodeView, Operation?>> Builders = new(StringComparer.Ordinal)
    {
        ["Conv"] = LayerLowering.Conv,
        ["Gemm"] = view => LayerLowering.Gemm(view) ?? ProductLowering.Gemm(view),
        ["MatMul"] = view => LayerLowering.MatMul(view) ?? ProductLowering.MatMul(view),
        ["Relu"] = ElementwiseLowering.Relu,
        ["Clip"] = ElementwiseLowering.Clip,
        ["LeakyRelu"] = ElementwiseLowering.LeakyRelu,
        ["Sigmoid"] = ElementwiseLowering.Sigmoid,
        ["HardSigmoid"] = ElementwiseLowering.HardSigmoid,
        ["HardSwish"] = ElementwiseLowering.HardSwish,
        ["Tanh"] = ElementwiseLowering.Tanh,
        ["Elu"] = ElementwiseLowering.Elu,
        ["Sqrt"] = ElementwiseLowering.Sqrt,
        ["Exp"] = ElementwiseLowering.Exp,
        ["Add"] = ElementwiseLowering.Add,
        ["Sub"] = ElementwiseLowering.Subtract,
        ["Mul"] = ElementwiseLowering.Multiply,
        ["Div"] = ElementwiseLowering.Divide,
        ["Pow"] = ElementwiseLowering.Power,
        ["PRelu"] = ElementwiseLowering.PRelu,
        ["BatchNormalization"] = ElementwiseLowering.BatchNormalization,
        ["Softmax"] = ElementwiseLowering.Softmax,
        ["LogSoftmax"] = ElementwiseLowering.LogSoftmax,
        ["MaxPool"] = PoolLowering.Max,
        ["AveragePool"] = PoolLowering.Average,
        ["GlobalAveragePool"] = PoolLowering.GlobalAverage,
        ["GlobalMaxPool"] = PoolLowering.GlobalMax,
        ["ReduceMean"] = PoolLowering.ReduceMean,
        ["ReduceMax"] = PoolLowering.ReduceMax,
        ["Concat"] = view => ChannelLowering.Concat(view) ?? ViewLowering.Concat(view),
        ["Split"] = ViewLowering.Split,
        ["Expand"] = ViewLowering.Expand,
        ["Resize"] = ResizeLowering.Resize,
        ["Upsample"] = ResizeLowering.Resize,
        ["LRN"] = ElementwiseLowering.LocalResponseNormalization,
        ["Gather"] = ChannelLowering.Gather,
        ["Slice"] = view => ChannelLowering.Slice(view) ?? ViewLowering.Slice(view),
        ["Pad"] = ChannelLowering.Pad,
        ["Transpose"] = ViewLowering.Transpose,
        ["ConvInteger"] = QuantizedLowering.ConvInteger,
        ["QLinearConv"] = QuantizedLowering.QLinearConv,
        ["QLinearMatMul"] = QuantizedLowering.QLinearMatMul,
        ["QuantizeLinear"] = QuantizedLowering.Quantize,
        ["DequantizeLinear"] = QuantizedLowering.Dequantize,
        ["MatMulInteger"] = QuantizedLowering.MatMulInteger,
        ["DynamicQuantizeLinear"] = QuantizedLowering.DynamicQuantize,
        ["Cast"] = QuantizedLowering.Cast,
        ["Reshape"] = ViewLowering.View,
        ["Flatten"] = ViewLowering.View,
        ["Squeeze"] = ViewLowering.View,
        ["Unsqueeze"] = ViewLowering.View,
        ["Identity"] = ViewLowering.View,
    };

    private readonly Graph _graph;
    private readonly IReadOnlyDictionary<string, ValueSpec> _specs;
    private readonly PlanContext _context;
    private readonly Dictionary<string, PlanValue> _values = new(StringComparer.Ordinal);
    private readonly HashSet<string> _rectified = new(StringComparer.Ordinal);

    private GraphLowering(Graph graph, IReadOnlyDictionary<string, ValueSpec> specs, PlanContext context)
    {
        _graph = graph;
        _specs = specs;
        _context = context;
    }

    /// <summary>
    /// Whether every node already has a builder and no normalization is left to fold, so that simplifying first would
    /// change nothing that matters here: true for graphs that were simplified before, as those a search prices by the
    /// thousand.
    /// </summary>
    public static bool IsReadyFor(Graph graph) =>
        graph.Nodes.TrueForAll(node => node.Domain.Length == 0 && node.OpType != "BatchNormalization" && Builders.ContainsKey(node.OpType));

    /// <summary>Lowers and fuses.</summary>
    /// <param name="graph">The simplified graph.</param>
    /// <param name="specs">Type and shape of every value.</param>
    /// <param name="context">What planning depends on.</param>
    /// <param name="reference">Whether every node becomes a reference operation.</param>
    /// <returns>The operations; null when a shape is known only from data, or a value has no elements.</returns>
    public static OperationList? Lower(Graph graph, IReadOnlyDictionary<string, ValueSpec> specs, PlanContext context, bool reference)
    {
        var lowering = new GraphLowering(graph, specs, context);
        if (!lowering.CanPlan()) return null;
        var list = new OperationList();
        foreach (ValueInfo input in graph.Inputs) list.Inputs.Add(lowering.Value(input.Name));
        foreach (Node node in graph.Nodes) list.Add(lowering.Lower(node, reference));
        foreach (ValueInfo output in graph.Outputs)
        {
            PlanValue value = lowering.Value(output.Name);
            value.IsOutput = true;
            list.Outputs.Add(value);
        }

        if (!reference) Fusion.Run(list);
        return list;
    }

    private bool CanPlan()
    {
        foreach (ValueInfo input in _graph.Inputs)
        {
            if (!IsPlannable(input.Name)) return false;
        }

        foreach (Node node in _graph.Nodes)
        {
            foreach (string output in node.Outputs)
            {
                if (output.Length > 0 && !IsPlannable(output)) return false;
            }
        }

        return true;
    }

    private bool IsPlannable(string name) => _specs.TryGetValue(name, out ValueSpec? spec) && spec.Shape is { Count: > 0 };

    // Where a residual branch was removed, the Relu behind its sum meets what is a Relu's result already.
    private string OperatorOf(Node node)
    {
        if (node.Domain.Length > 0 || node.OpType is not ("Relu" or "Identity")) return node.OpType;
        bool isRectified = _rectified.Contains(node.Inputs[0]);
        if (isRectified || node.OpType == "Relu") _rectified.Add(node.Outputs[0]);
        return isRectified ? "Identity" : node.OpType;
    }

    private Operation Lower(Node node, bool reference)
    {
        PlanValue?[] inputs = [.. node.Inputs.Select(name => name.Length == 0 ? null : Value(name))];
        PlanValue?[] outputs = [.. node.Outputs.Select(name => name.Length == 0 ? null : Value(name))];
        string op = OperatorOf(node);
        if (!reference && node.Domain.Length == 0 && Builders.TryGetValue(op, out Func<NodeView, Operation?>? build)
            && outputs is [{ } output, ..]
            && build(new NodeView(node, _graph.Opset, inputs, outputs, output, _context)) is { } operation)
        {
            // Builders of several outputs add all of them; the others leave it to this line.
            if (operation.Outputs.Count == 0) operation.Outputs.Add(output);
            return operation;
        }

        return new ReferenceOperation(node, _graph.Opset, inputs, outputs);
    }

    private PlanValue Value(string name)
    {
        if (_values.TryGetValue(name, out PlanValue? known)) return known;
        if (_graph.Initializers.TryGetValue(name, out Tensor? constant))
            return _values[name] = new PlanValue(name, constant.Type, constant.Shape) { Constant = constant };
        if (!_specs.TryGetValue(name, out ValueSpec? spec)) throw new InvalidDataException($"Value '{name}' of graph '{_graph.Name}' is read but nothing produces it.");
        return _values[name] = new PlanValue(name, spec.Type, spec.Shape!.Value);
    }
}

/// <summary>A node with its values, as a builder sees it. A builder returns null when it has no fast step for the node.</summary>
/// <param name="Node">The node.</param>
/// <param name="Opset">Operator set version.</param>
/// <param name="Inputs">Inputs; null for one left out.</param>
/// <param name="Outputs">Outputs; null for one left out.</param>
/// <param name="Output">First output.</param>
/// <param name="Context">What planning depends on.</param>
internal sealed record NodeView(Node Node, int Opset, PlanValue?[] Inputs, PlanValue?[] Outputs, PlanValue Output, PlanContext Context)
{
    public PlanValue? Input(int index) => index < Inputs.Length ? Inputs[index] : null;

    /// <summary>Whether the first input and output are float32 and not empty, as every fast step needs.</summary>
    public bool IsFloat => Input(0) is { Type: ElementType.Float32 } && Output.Type == ElementType.Float32 && Output.Shape.Count > 0;

    /// <summary>The single value of a constant float input; <paramref name="absent"/> when the input is left out; null when it is not constant.</summary>
    public float? Scalar(int index, float absent) => Input(index) is not { } value ? absent
        : value.Constant is { Type: ElementType.Float32, Count: 1 } constant ? constant.Values<float>()[0]
        : null;

    /// <summary>A list that older operator sets give as an attribute and newer ones as a constant input; null when it is neither.</summary>
    public long[]? ConstantList(string attribute, int input) =>
        Node.Ints(attribute) ?? (Input(input)?.Constant switch
        {
            { Type: ElementType.Int64 } tensor => tensor.Values<long>().ToArray(),
            { Type: ElementType.Int32 } tensor => Array.ConvertAll(tensor.Values<int>().ToArray(), value => (long)value),
            _ => null,
        });

    /// <summary>The values of a constant integer input, or null when it is absent or not constant.</summary>
    public int[]? ConstantInts(int index) => Input(index)?.Constant switch
    {
        { Type: ElementType.Int64 } tensor => [.. tensor.Values<long>().ToArray().Select(value => (int)Math.Clamp(value, int.MinValue, int.MaxValue))],
        { Type: ElementType.Int32 } tensor => tensor.Values<int>().ToArray(),
        _ => null,
    };
}
