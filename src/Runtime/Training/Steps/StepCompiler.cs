using CoInference.Kernels.Reference;
using CoInference.Kernels.Simd.Training;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution.Operators;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Training.Steps;

/// <summary>Turns a simplified graph into steps that train it.</summary>
internal sealed class StepCompiler
{
    private const string Supported = "Conv, Gemm, BatchNormalization, Relu, Clip, Add, Concat, MaxPool, AveragePool, GlobalMaxPool, GlobalAveragePool, Flatten, Slice, Pad, Resize to a multiple by the nearest pixel, QuantizeLinear before DequantizeLinear, and Softmax at the end";

    private readonly Graph _graph;
    private readonly IReadOnlyDictionary<string, ValueSpec> _specs;
    private readonly Dictionary<string, List<Node>> _consumers;
    private readonly Dictionary<string, TrainingValue> _values = new(StringComparer.Ordinal);
    private readonly Dictionary<string, TrainingParameter> _parameters = new(StringComparer.Ordinal);
    private readonly HashSet<Node> _fused = [];
    private readonly Dictionary<Node, List<Node>> _waiting = [];
    private readonly List<TrainingStep> _steps = [];
    private readonly string _logits;
    private readonly float _rateWeight;
    private readonly HashSet<Node> _frozen;

    private StepCompiler(Graph graph, int batch, float rateWeight, string? frozen)
    {
        _graph = graph;
        _rateWeight = rateWeight;
        _frozen = frozen is null ? [] : graph.Ancestors(frozen);
        if (frozen is not null && _frozen.Count == 0) throw new ArgumentException($"The network computes no value '{frozen}' that could be frozen.", nameof(frozen));
        _specs = ShapeInference.Infer(graph, batch: batch);
        _consumers = graph.Consumers();
        if (graph.Inputs.Count != 1 || graph.Outputs.Count != 1)
            throw new NotSupportedException($"The network has {graph.Inputs.Count} inputs and {graph.Outputs.Count} outputs; training needs one image input and one output of class scores.");
        Node? last = graph.Nodes.Find(node => node.Outputs.Contains(graph.Outputs[0].Name));
        bool softmax = last is { OpType: "Softmax" or "LogSoftmax" };
        _logits = softmax ? last!.Inputs[0] : graph.Outputs[0].Name;
        if (softmax) _fused.Add(last!);
        Value(graph.Inputs[0].Name);
    }

    /// <summary>Compiles.</summary>
    /// <param name="graph">A graph simplified without folding of normalizations.</param>
    /// <param name="batch">Images per step.</param>
    /// <param name="rateWeight">Weight in the loss of a bit per image that the levels of quantizers carry; 0 for none.</param>
    /// <param name="frozen">Value up to which nothing is trained; null for none.</param>
    /// <exception cref="NotSupportedException">A node cannot be trained through; the message names it.</exception>
    /// <exception cref="ArgumentException">The graph does not compute the frozen value.</exception>
    public static CompiledSteps Compile(Graph graph, int batch, float rateWeight, string? frozen)
    {
        var compiler = new StepCompiler(graph, batch, rateWeight, frozen);
        foreach (Node node in graph.Nodes) compiler.Visit(node);
        TrainingValue logits = compiler._values[compiler._logits];
        if (logits.Height * logits.Width != 1) throw new NotSupportedException($"Output {logits} is not a vector of class scores.");
        return new CompiledSteps(
            compiler._values[graph.Inputs[0].Name], logits, compiler._steps, [.. compiler._steps.SelectMany(step => step.Parameters)], [.. compiler._steps.OfType<StraightThroughStep>()]);
    }

    private void Visit(Node node)
    {
        if (_waiting.Remove(node, out List<Node>? fused))
        {
            string? addend = fused.Find(part => part.OpType == "Add" && part != fused[0])?.Inputs.Find(name => name != fused[0].Outputs[0]);
            ActivationBounds bounds = fused[^1].OpType is "Relu" or "Clip" ? Bounds(fused[^1]) : ActivationBounds.None;
            Emit(fused[0], addend, bounds, node.Outputs[0]);
            return;
        }

        if (_fused.Contains(node)) return;
        List<Node> chain = Chain(node);
        if (chain.Count == 1)
        {
            Emit(node, null, ActivationBounds.None, node.Outputs[0]);
            return;
        }

        // The whole chain is one step, where its last node stands: then all that it reads is computed.
        _fused.UnionWith(chain);
        _waiting.Add(chain[^1], chain);
    }

    /// <summary>The node with what follows it in the same pass: a normalization's addition, and a clamp.</summary>
    private List<Node> Chain(Node node)
    {
        var chain = new List<Node> { node };
        if (node.OpType is not ("Conv" or "Gemm" or "BatchNormalization" or "Add")) return chain;
        if (node.OpType == "BatchNormalization" && Next(node) is { OpType: "Add" } add && !_fused.Contains(add)
            && add.Inputs[0] != add.Inputs[1] && add.Inputs.All(name => SameSize(name, add.Outputs[0])))
        {
            chain.Add(add);
        }

        if (Next(chain[^1]) is { OpType: "Relu" or "Clip" } clamp && !_fused.Contains(clamp)) chain.Add(clamp);
        return chain;
    }

    private bool SameSize(string name, string other) => !_graph.Initializers.ContainsKey(name) && _specs[name].Shape == _specs[other].Shape;

    private Node? Next(Node node) => _graph.Outputs.Any(output => output.Name == node.Outputs[0]) || node.Outputs[0] == _logits
        || !_consumers.TryGetValue(node.Outputs[0], out List<Node>? readers) || readers.Count != 1 ? null : readers[0];

    private void Emit(Node node, string? addend, ActivationBounds bounds, string output)
    {
        switch (node.OpType)
        {
            case "Conv": EmitConv(node, bounds, output); break;
            case "Gemm": EmitLinear(node, bounds, output); break;
            case "BatchNormalization": EmitNormalization(node, addend, bounds, output); break;
            case "Relu" or "Clip": Emit(new AddStep(Value(node.Inputs[0]), null, Value(output), Bounds(node))); break;
            case "Add" when node.Inputs.All(name => SameSize(name, node.Outputs[0])):
                Emit(new AddStep(Value(node.Inputs[0]), Value(node.Inputs[1]), Value(output), bounds));
                break;
            case "GlobalAveragePool": Emit(new GlobalAverageStep(Value(node.Inputs[0]), Value(output))); break;
            case "MaxPool" when node.Outputs.Count == 1: EmitPool(node, true, output); break;
            case "GlobalMaxPool": EmitPool(node, true, output); break;
            case "AveragePool": EmitPool(node, false, output); break;
            case "Flatten" or "Reshape" or "Identity" or "Squeeze" or "Dropout": EmitFlatten(node, output); break;
            case "Concat": EmitConcat(node, output); break;
            case "Slice": EmitSlice(node, output); break;
            case "Pad": EmitPad(node, output); break;
            case "Resize": EmitUpsampling(node, output); break;
            case "QuantizeLinear" when Next(node) is { OpType: "DequantizeLinear" }: break;
            case "DequantizeLinear": EmitQuantizer(node, output); break;
            default: throw new NotSupportedException($"Node {node} cannot be trained through as it stands; supported are {Supported}.");
        }
    }

    private void Emit(TrainingStep step)
    {
        step.Output.NeedsGradient = step.Inputs.Any(input => input.NeedsGradient) || step.Parameters.Any();
        _steps.Add(step);
    }

    private void EmitConv(Node node, ActivationBounds bounds, string output)
    {
        TrainingParameter weights = Parameter(node.Inputs[1], node, decays: true);
        TensorShape inputShape = Shape(node.Inputs[0]), weightShape = _graph.Initializers[node.Inputs[1]].Shape;
        if (inputShape.Rank != 4) throw new NotSupportedException($"Node {node} reads {inputShape}; training needs [N, C, H, W].");
        SpatialWindow window = NodeWindows.Convolution(node, inputShape, weightShape);
        TrainingValue from = Value(node.Inputs[0]), to = Value(output);
        var shape = new ConvGradientShape(
            from.Channels, from.Height, from.Width, to.Channels, to.Height, to.Width, window.Kernel[0], window.Kernel[1],
            window.Strides[0], window.Strides[1], window.PadsBegin[0], window.PadsBegin[1], window.Dilations[0], window.Dilations[1], NodeWindows.Groups(node));
        Emit(new ConvStep(from, to, shape, weights, Bias(node), bounds, _frozen.Contains(node)));
    }

    private void EmitLinear(Node node, ActivationBounds bounds, string output)
    {
        bool plain = node.Int("transA", 0) == 0 && node.Int("transB", 0) == 1 && node.Float("alpha", 1) == 1 && node.Float("beta", 1) == 1;
        TrainingValue from = Value(node.Inputs[0]), to = Value(output);
        if (!plain || from.Height * from.Width != 1) throw new NotSupportedException($"Node {node} cannot be trained: expected alpha = beta = transB = 1 and a constant matrix.");
        var shape = new ConvGradientShape(from.Channels, 1, 1, to.Channels, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1);
        Emit(new ConvStep(from, to, shape, Parameter(node.Inputs[1], node, decays: true), Bias(node), bounds, _frozen.Contains(node)));
    }

    private void EmitNormalization(Node node, string? addend, ActivationBounds bounds, string output) => Emit(new BatchNormStep(
        Value(node.Inputs[0]), addend is null ? null : Value(addend), Value(output),
        Parameter(node.Inputs[1], node, decays: false), Parameter(node.Inputs[2], node, decays: false),
        Parameter(node.Inputs[3], node, decays: false, isStatistic: true), Parameter(node.Inputs[4], node, decays: false, isStatistic: true),
        node.Float("epsilon", 1e-5f), node.Float("momentum", 0.9f), bounds, _frozen.Contains(node)));

    private void EmitPool(Node node, bool maximum, string output)
    {
        TensorShape input = Shape(node.Inputs[0]);
        SpatialWindow window = node.OpType == "GlobalMaxPool" ? SpatialWindow.Create(input.Dimensions[2..], input.Dimensions[2..]) : NodeWindows.Pooling(node, input);
        if (window.Rank != 2) throw new NotSupportedException($"Node {node} cannot be trained through: it pools {window.Rank} axes, expected 2.");
        Emit(new PoolStep(Value(node.Inputs[0]), Value(output), window, maximum, node.Int("count_include_pad", 0) != 0));
    }

    private void EmitFlatten(Node node, string output)
    {
        TensorShape from = Shape(node.Inputs[0]), to = Shape(output);
        TrainingValue input = Value(node.Inputs[0]);
        if (from[0] != to[0] || to.Count / to[0] != from.Count / from[0] || (to.Rank != 2 && from != to && input.Height * input.Width != 1))
            throw new NotSupportedException($"Node {node} reshapes {from} to {to}; training supports merging all axes but the first.");
        if (from == to || input.Height * input.Width == 1) _values[output] = input;
        else Emit(new PlacementStep([input], Value(output), [new Placement(0, 1, input.Height, 0, 1, input.Width, 0, 0, 0, Flattens: true)]));
    }

    private void EmitConcat(Node node, string output)
    {
        if (node.Int("axis", 1) is not (1 or -3)) throw new NotSupportedException($"Node {node} cannot be trained through: it joins along axis {node.Int("axis", 1)}, expected channels.");
        int channel = 0;
        var placements = new List<Placement>();
        TrainingValue[] inputs = [.. node.Inputs.Select(Value)];
        foreach (TrainingValue input in inputs)
        {
            placements.Add(new Placement(0, 1, input.Height, 0, 1, input.Width, channel, 0, 0, Flattens: false));
            channel += input.Channels;
        }

        Emit(new PlacementStep(inputs, Value(output), [.. placements]));
    }

    private void EmitSlice(Node node, string output)
    {
        TrainingValue from = Value(node.Inputs[0]), to = Value(output);
        long[] starts = Constants(node, 1, "starts")!;
        long[] axes = Constants(node, 3, "axes") ?? [.. Enumerable.Range(0, starts.Length).Select(axis => (long)axis)];
        long[] steps = Constants(node, 4, "") ?? [.. starts.Select(_ => 1L)];
        var taken = new (int Start, int Step)[4];
        Array.Fill(taken, (0, 1));
        int[] sizes = [0, from.Channels, from.Height, from.Width];
        for (int i = 0; i < starts.Length; i++)
        {
            int axis = (int)(axes[i] < 0 ? axes[i] + 4 : axes[i]);
            long start = starts[i] < 0 ? starts[i] + sizes[axis] : starts[i];
            if (steps[i] < 1 || (axis == 0 && start != 0) || (axis == 1 && steps[i] != 1))
                throw new NotSupportedException($"Node {node} cannot be trained through: axis {axis} starts at {starts[i]} with step {steps[i]}.");
            taken[axis] = ((int)Math.Clamp(start, 0, sizes[axis]), (int)Math.Min(steps[i], int.MaxValue));
        }

        Emit(new PlacementStep([from], to, [new Placement(taken[2].Start, taken[2].Step, to.Height, taken[3].Start, taken[3].Step, to.Width, -taken[1].Start, 0, 0, Flattens: false)]));
    }

    private void EmitPad(Node node, string output)
    {
        TrainingValue from = Value(node.Inputs[0]), to = Value(output);
        long[] pads = Constants(node, 1, "pads")!;
        float value = node.Input(2) is { } name ? Constant(node, name).Values<float>()[0] : node.Float("value", 0);
        if (node.String("mode", "constant") != "constant" || value != 0 || pads.Length != 8 || pads.Any(pad => pad < 0) || pads[0] + pads[4] > 0 || node.Input(3) is not null)
            throw new NotSupportedException($"Node {node} cannot be trained through: expected padding of [N, C, H, W] with zeros.");
        Emit(new PlacementStep([from], to, [new Placement(0, 1, from.Height, 0, 1, from.Width, (int)pads[1], (int)pads[2], (int)pads[3], Flattens: false)]));
    }

    private void EmitUpsampling(Node node, string output)
    {
        TrainingValue from = Value(node.Inputs[0]), to = Value(output);
        var inputs = node.Inputs.Select((name, index) => index == 0 ? _specs[name] : name.Length == 0 ? null : ValueSpec.Of(Constant(node, name))).ToArray();
        (AxisResize[] axes, ResizeSettings settings) = ResizeOperators.Describe(new NodeContext(node, _graph.Opset, inputs));
        foreach (AxisResize axis in axes)
        {
            int before = Shape(node.Inputs[0])[axis.Axis], times = axis.Size / before;
            (int Source, double Weight)[][] taps = Resizing.Taps(axis, before, settings);
            if ((axis.Axis < 2 && times != 1) || axis.Size != times * before || taps.Where((place, i) => place is not [(var at, 1.0)] || at != i / times).Any())
                throw new NotSupportedException($"Node {node} cannot be trained through: expected rows and columns repeated a whole number of times.");
        }

        Emit(new UpsampleStep(from, to));
    }

    /// <summary>The pair of QuantizeLinear and DequantizeLinear, where the second one stands.</summary>
    private void EmitQuantizer(Node node, string output)
    {
        Node? quantize = _graph.Nodes.Find(candidate => candidate.OpType == "QuantizeLinear" && candidate.Outputs[0] == node.Inputs[0]);
        if (quantize is null || Next(quantize) != node || Scale(quantize) is not { } scale || Scale(node) != scale || ZeroPoint(quantize) is not { } zero || ZeroPoint(node) != zero)
            throw new NotSupportedException($"Node {node} cannot be trained through: expected one scale and one zero point, the same as those of a QuantizeLinear before it.");
        int lowest = zero.Type == ElementType.Int8 ? sbyte.MinValue : byte.MinValue, highest = zero.Type == ElementType.Int8 ? sbyte.MaxValue : byte.MaxValue;

        // A clamp in front may leave fewer levels than the type has.
        if (_graph.Nodes.Find(candidate => candidate.Outputs.Contains(quantize.Inputs[0])) is { OpType: "Clip" or "Relu" } clamp)
        {
            ActivationBounds bounds = Bounds(clamp);
            lowest = (int)Math.Clamp(Math.Round(bounds.Low / scale) + zero.Value, lowest, highest);
            highest = (int)Math.Clamp(Math.Round(bounds.High / scale) + zero.Value, lowest, highest);
        }

        if (highest == lowest) throw new NotSupportedException($"Node {quantize} has a single level; training needs two.");
        Emit(new StraightThroughStep(Value(quantize.Inputs[0]), Value(output), new QuantizerLevels(scale, zero.Value, lowest, highest), _rateWeight));

        float? Scale(Node part) => Constant(part, part.Inputs[1]) is { Type: ElementType.Float32, Count: 1 } tensor && tensor.Values<float>()[0] > 0 ? tensor.Values<float>()[0] : null;

        (ElementType Type, int Value)? ZeroPoint(Node part) => part.Input(2) is not { } name ? (ElementType.UInt8, 0)
            : Constant(part, name) is not { Count: 1 } tensor ? null
            : tensor.Type == ElementType.Int8 ? (tensor.Type, (sbyte)tensor.Bytes[0])
            : tensor.Type == ElementType.UInt8 ? (tensor.Type, tensor.Bytes[0]) : null;
    }

    private ActivationBounds Bounds(Node node)
    {
        if (node.OpType == "Relu") return new ActivationBounds(0, float.PositiveInfinity);
        float low = node.Input(1) is { } minimum ? Constant(node, minimum).Values<float>()[0] : node.Float("min", float.NegativeInfinity);
        float high = node.Input(2) is { } maximum ? Constant(node, maximum).Values<float>()[0] : node.Float("max", float.PositiveInfinity);
        return new ActivationBounds(low, high);
    }

    private long[]? Constants(Node node, int input, string attribute) =>
        node.Input(input) is { } name ? Constant(node, name) is { Type: ElementType.Int64 } wide ? wide.Values<long>().ToArray() : Array.ConvertAll(Constant(node, name).Values<int>().ToArray(), size => (long)size)
        : node.Ints(attribute);

    private Tensor Constant(Node node, string name) => _graph.Initializers.TryGetValue(name, out Tensor? value) ? value
        : throw new NotSupportedException($"Node {node} cannot be trained through: '{name}' is not a constant.");

    private TrainingParameter? Bias(Node node) => node.Input(2) is { } bias ? Parameter(bias, node, decays: false) : null;

    private TrainingParameter Parameter(string name, Node node, bool decays, bool isStatistic = false)
    {
        Tensor value = Constant(node, name);
        if (value.Type != ElementType.Float32) throw new NotSupportedException($"Node {node} has {value.Type} parameters; training needs Float32.");
        var parameter = new TrainingParameter(name, value.Values<float>().ToArray(), decays, isStatistic);
        return _parameters.TryAdd(name, parameter) ? parameter
            : throw new NotSupportedException($"Parameter '{name}' is used by more than one node; training needs one of its own for each.");
    }

    private TensorShape Shape(string name) => _specs[name].Shape ?? throw new NotSupportedException($"The shape of '{name}' depends on data; training needs it before the run.");

    private TrainingValue Value(string name)
    {
        if (_values.TryGetValue(name, out TrainingValue? value)) return value;
        TensorShape shape = Shape(name);
        if (shape.Rank is < 2 or > 4) throw new NotSupportedException($"Value '{name}' {shape} is neither [N, C, H, W] nor [N, C].");
        return _values[name] = new TrainingValue(name, shape[1], shape.Rank > 2 ? shape[2] : 1, shape.Rank > 3 ? shape[3] : 1);
    }
}

/// <summary>What <see cref="StepCompiler"/> makes of a graph.</summary>
/// <param name="Images">The input.</param>
/// <param name="Logits">Class scores before any softmax.</param>
/// <param name="Steps">Steps in the order in which they run.</param>
/// <param name="Parameters">Everything that training changes.</param>
/// <param name="Quantizers">The quantizers among the steps.</param>
internal sealed record CompiledSteps(
    TrainingValue Images, TrainingValue Logits, IReadOnlyList<TrainingStep> Steps, IReadOnlyList<TrainingParameter> Parameters, IReadOnlyList<StraightThroughStep> Quantizers);
