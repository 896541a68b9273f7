using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Sparsity;

/// <summary>An initializer whose axis follows the channels of a layout.</summary>
/// <param name="Node">The node that reads it.</param>
/// <param name="Input">Which input of the node.</param>
/// <param name="Axis">The axis that shrinks.</param>
/// <param name="Channels">The channels along it.</param>
/// <param name="IsOutput">Whether these are channels that the node produces, not ones it reads.</param>
internal sealed record WeightAxis(Node Node, int Input, int Axis, ChannelLayout Channels, bool IsOutput = false);

/// <summary>A node that picks channels by position: a slice, pad or gather along the channel axis.</summary>
/// <param name="Node">The node.</param>
/// <param name="Source">Channels of its input.</param>
/// <param name="Target">Channels of its output; a decision of their own.</param>
/// <param name="Map">For each output channel the input channel it copies, or -1 for zero.</param>
/// <param name="Position">Where the channel axis stands in the node's lists of pads or slices.</param>
/// <param name="Rank">Rank of the tensor.</param>
internal sealed record ChannelPick(Node Node, ChannelLayout Source, ChannelSpace Target, int[] Map, int Position, int Rank);

/// <summary>
/// Follows the channels of every tensor through the network: which layers must lose the same channels, which weights
/// shrink with them, and which nodes have to be rewritten. An operator without a rule keeps all channels of its inputs,
/// so that pruning is always correct and only less far-reaching.
/// </summary>
/// <remarks>
/// Channels that a slice, pad or gather picks form a space of their own, tied to the source by a map and not by a
/// merge. So the stages on either side of a shortcut that pads channels stay independent decisions.
/// </remarks>
internal sealed class ChannelAnalysis
{
    private readonly Graph _graph;
    private readonly IReadOnlyDictionary<string, ValueSpec> _specs;
    private readonly Dictionary<string, ChannelLayout> _layouts = new(StringComparer.Ordinal);
    private readonly List<ChannelSpace> _spaces = [];
    private readonly List<WeightAxis> _weightAxes = [];
    private readonly List<ChannelPick> _picks = [];
    private readonly List<Node> _groupCounts = [];
    private readonly List<Node> _reshapes = [];
    private int _position;

    /// <summary>Analyses a canonical graph.</summary>
    /// <exception cref="InvalidDataException">Shapes cannot be inferred.</exception>
    public ChannelAnalysis(Graph canonical)
    {
        _graph = canonical;
        _specs = ShapeInference.Infer(canonical);
        foreach (ValueInfo input in canonical.Inputs) Open(input.Name)?.Fix();
        for (; _position < canonical.Nodes.Count; _position++) Follow(canonical.Nodes[_position]);
        foreach (ValueInfo output in canonical.Outputs) _layouts.GetValueOrDefault(output.Name)?.Fix();
    }

    /// <summary>One space per set of tied channels.</summary>
    public IEnumerable<ChannelSpace> Roots => _spaces.Where(space => space.Root == space);

    /// <summary>Initializer axes that follow channels.</summary>
    public IReadOnlyList<WeightAxis> WeightAxes => _weightAxes;

    /// <summary>Nodes that pick channels, in graph order.</summary>
    public IReadOnlyList<ChannelPick> Picks => _picks;

    /// <summary>Depthwise convolutions: their <c>group</c> attribute counts channels.</summary>
    public IReadOnlyList<Node> GroupCounts => _groupCounts;

    /// <summary>Reshapes whose constant target may name the channel count.</summary>
    public IReadOnlyList<Node> Reshapes => _reshapes;

    /// <summary>The channels of a value, or null when it has none that are followed.</summary>
    public ChannelLayout? LayoutOf(string value) => _layouts.GetValueOrDefault(value);

    /// <summary>The shape of a value for one image, or null when unknown.</summary>
    public TensorShape? ShapeOf(string value) => _specs.GetValueOrDefault(value)?.Shape;

    private void Follow(Node node)
    {
        switch (node.OpType)
        {
            case "Conv": FollowConv(node); break;
            case "Gemm": FollowGemm(node); break;
            case "MatMul": FollowMatMul(node); break;
            case "BatchNormalization": FollowBatchNormalization(node); break;
            case "Relu" or "Clip" or "LeakyRelu" or "Sigmoid" or "HardSigmoid" or "HardSwish" or "Tanh" or "Elu" or "Sqrt" or "Exp"
                or "Identity" or "Dropout" or "Cast" or "MaxPool" or "AveragePool" or "GlobalAveragePool" or "GlobalMaxPool" or "Resize":
                PassThrough(node);
                break;
            case "Add" or "Sub" or "Mul" or "Div" or "Pow" or "PRelu": FollowElementwise(node); break;
            case "Concat": FollowConcat(node); break;
            case "Pad": FollowPad(node); break;
            case "Slice": FollowSlice(node); break;
            case "Gather": FollowGather(node); break;
            case "Flatten" or "Reshape" or "Squeeze" or "Unsqueeze": FollowView(node); break;
            case "ReduceMean" or "ReduceSum" or "ReduceMax": FollowReduction(node); break;
            case "Transpose": FollowTranspose(node); break;
            default: Stop(node); break;
        }
    }

    private void FollowConv(Node node)
    {
        if (node.Input(0) is not { } x || Constant(node, 1) is not { Shape.Rank: 3 or 4, Type: ElementType.Float32 } weights || (node.Input(2) is not null && Constant(node, 2) is null))
        {
            Stop(node);
            return;
        }

        ChannelLayout? input = LayoutOf(x);
        long groups = node.Int("group", 1);
        ChannelLayout output;
        if (groups == 1)
        {
            if (input is { Spread: 1 }) _weightAxes.Add(new WeightAxis(node, 1, 1, input));
            else input?.Fix();
            output = new ChannelLayout(NewSpace(weights.Shape[0]));
            output.Parts[0].AddLayer(_position, node.Name);
        }
        else if (input is { Spread: 1 } && groups == input.Channels && weights.Shape[0] == groups)
        {
            output = input;
            _groupCounts.Add(node);
            foreach (ChannelSpace part in input.Parts) part.AddLayer(_position, node.Name);
        }
        else
        {
            Stop(node);
            return;
        }

        _weightAxes.Add(new WeightAxis(node, 1, 0, output, IsOutput: true));
        if (node.Input(2) is not null) _weightAxes.Add(new WeightAxis(node, 2, 0, output, IsOutput: true));
        _layouts[node.Outputs[0]] = output;
    }

    private void FollowGemm(Node node)
    {
        bool transposed = node.Int("transB", 0) != 0;
        Tensor? bias = Constant(node, 2);
        if (node.Int("transA", 0) != 0 || node.Input(0) is not { } x || Constant(node, 1) is not { Shape.Rank: 2, Type: ElementType.Float32 } weights ||
            (node.Input(2) is not null && (bias is null || bias.Shape.Rank > 2 || (bias.Shape.Rank == 2 && bias.Shape[0] != 1))))
        {
            Stop(node);
            return;
        }

        if (LayoutOf(x) is { } input) _weightAxes.Add(new WeightAxis(node, 1, transposed ? 1 : 0, input));
        ChannelLayout output = OpenLayer(node, weights.Shape[transposed ? 0 : 1]);
        _weightAxes.Add(new WeightAxis(node, 1, transposed ? 0 : 1, output, IsOutput: true));
        if (bias is { Shape.Rank: > 0 } && bias.Shape[-1] > 1) _weightAxes.Add(new WeightAxis(node, 2, bias.Shape.Rank - 1, output, IsOutput: true));
    }

    private void FollowMatMul(Node node)
    {
        if (node.Input(0) is not { } x || ShapeOf(x) is not { Rank: 2 } || Constant(node, 1) is not { Shape.Rank: 2, Type: ElementType.Float32 } weights)
        {
            Stop(node);
            return;
        }

        if (LayoutOf(x) is { } input) _weightAxes.Add(new WeightAxis(node, 1, 0, input));
        _weightAxes.Add(new WeightAxis(node, 1, 1, OpenLayer(node, weights.Shape[1]), IsOutput: true));
    }

    private void FollowBatchNormalization(Node node)
    {
        if (LayoutOf(node.Inputs[0]) is not { Spread: 1 } layout || Enumerable.Range(1, 4).Any(i => Constant(node, i) is null))
        {
            Stop(node);
            return;
        }

        for (int i = 1; i <= 4; i++) _weightAxes.Add(new WeightAxis(node, i, 0, layout));
        _layouts[node.Outputs[0]] = layout;
    }

    private void PassThrough(Node node)
    {
        if (LayoutOf(node.Inputs[0]) is { } layout) _layouts[node.Outputs[0]] = layout;
    }

    private void FollowElementwise(Node node)
    {
        string result = node.Outputs[0];
        if (Constant(node, 1) is { } second && LayoutOf(node.Inputs[0]) is { } first)
        {
            if (FollowConstant(node, 1, second, first, ShapeOf(node.Inputs[0]))) _layouts[result] = first;
            else Stop(node);
        }
        else if (Constant(node, 0) is { } constant && LayoutOf(node.Inputs[1]) is { } layout)
        {
            if (FollowConstant(node, 0, constant, layout, ShapeOf(node.Inputs[1]))) _layouts[result] = layout;
            else Stop(node);
        }
        else if (LayoutOf(node.Inputs[0]) is { } left && LayoutOf(node.Inputs[1]) is { } right &&
            ShapeOf(node.Inputs[0])?.Rank == ShapeOf(node.Inputs[1])?.Rank && left.Channels * left.Spread == right.Channels * right.Spread)
        {
            ChannelLayout.Merge(left, right);
            _layouts[result] = left;
        }
        else
        {
            Stop(node);
        }
    }

    private bool FollowConstant(Node node, int index, Tensor constant, ChannelLayout layout, TensorShape? shape)
    {
        if (shape is not { } known || constant.Shape.Rank > known.Rank) return false;
        int axis = 1 - (known.Rank - constant.Shape.Rank);
        if (axis < 0 || constant.Shape[axis] == 1) return true;
        if (constant.Shape[axis] != layout.Channels * layout.Spread) return false;
        _weightAxes.Add(new WeightAxis(node, index, axis, layout));
        return true;
    }

    private void FollowConcat(Node node)
    {
        long axis = Normalize(node.Int("axis", 1), node.Inputs[0]);
        var parts = new List<ChannelSpace>();
        int? spread = null;
        foreach (string input in node.Inputs)
        {
            if (axis != 1 || LayoutOf(input) is not { } layout || (spread ??= layout.Spread) != layout.Spread)
            {
                Stop(node);
                return;
            }

            parts.AddRange(layout.Parts);
        }

        _layouts[node.Outputs[0]] = new ChannelLayout(parts, spread ?? 1);
    }

    private void FollowPad(Node node)
    {
        long[]? pads = node.Ints("pads") ?? Integers(node, 1);
        long[]? axes = Integers(node, 3);
        if (LayoutOf(node.Inputs[0]) is not { } layout || ShapeOf(node.Inputs[0]) is not { } shape || pads is null || (node.Input(3) is not null && axes is null))
        {
            Stop(node);
            return;
        }

        int count = pads.Length / 2;
        int position = axes is null ? 1 : Array.FindIndex(axes, axis => axis == 1 || axis + shape.Rank == 1);
        (long before, long after) = position < 0 ? (0, 0) : (pads[position], pads[count + position]);
        if (before == 0 && after == 0)
        {
            PassThrough(node);
            return;
        }

        float value = Constant(node, 2) is { Type: ElementType.Float32, Count: 1 } fill ? fill.Values<float>()[0] : node.Float("value", 0);
        if (layout.Spread != 1 || before < 0 || after < 0 || value != 0 || node.String("mode", "constant") != "constant" ||
            (node.Input(2) is not null && Constant(node, 2) is null))
        {
            Stop(node);
            return;
        }

        int[] map = Enumerable.Range(-(int)before, layout.Channels + (int)(before + after))
            .Select(channel => channel >= 0 && channel < layout.Channels ? channel : -1).ToArray();
        AddPick(node, layout, map, position);
    }

    private void FollowSlice(Node node)
    {
        long[]? starts = node.Ints("starts") ?? Integers(node, 1);
        long[]? ends = node.Ints("ends") ?? Integers(node, 2);
        long[]? axes = node.Ints("axes") ?? Integers(node, 3);
        long[]? steps = Integers(node, 4);
        if (LayoutOf(node.Inputs[0]) is not { } layout || ShapeOf(node.Inputs[0]) is not { } shape || starts is null || ends is null ||
            (node.Input(3) is not null && axes is null) || (node.Input(4) is not null && steps is null))
        {
            Stop(node);
            return;
        }

        int position = axes is null ? 1 : Array.FindIndex(axes, axis => axis == 1 || axis + shape.Rank == 1);
        if (position < 0 || position >= starts.Length)
        {
            PassThrough(node);
            return;
        }

        int size = shape[1];
        long Clamp(long index) => Math.Clamp(index < 0 ? index + size : index, 0, size);
        long step = steps?[position] ?? 1, start = Clamp(starts[position]), end = Clamp(ends[position]);
        if (step == 1 && start == 0 && end == size)
        {
            PassThrough(node);
            return;
        }

        if (layout.Spread != 1 || step < 1)
        {
            Stop(node);
            return;
        }

        var map = new List<int>();
        for (long channel = start; channel < end; channel += step) map.Add((int)channel);
        AddPick(node, layout, map.ToArray(), position);
    }

    private void FollowGather(Node node)
    {
        if (LayoutOf(node.Inputs[0]) is { Spread: 1 } layout && Normalize(node.Int("axis", 0), node.Inputs[0]) == 1 &&
            Constant(node, 1) is { Shape.Rank: 1 } && Integers(node, 1) is { } indices)
        {
            AddPick(node, layout, indices.Select(index => (int)(index < 0 ? index + layout.Channels : index)).ToArray(), position: 0);
        }
        else
        {
            Stop(node);
        }
    }

    private void FollowView(Node node)
    {
        if (LayoutOf(node.Inputs[0]) is not { } layout || ShapeOf(node.Inputs[0]) is not { } from || ShapeOf(node.Outputs[0]) is not { } to ||
            from.Rank < 2 || to.Rank < 2 || from[0] != to[0] || to[1] % layout.Channels != 0)
        {
            Stop(node);
            return;
        }

        // The view keeps each channel's elements together only if it leaves axis 1 alone or swallows all later axes.
        int spread = to[1] / layout.Channels;
        bool keepsAxis = to[1] == from[1];
        bool swallowsRest = to.Rank == 2 || to.Dimensions[2..].ToArray().All(size => size == 1);
        bool isConstant = node.OpType is not "Reshape" || Constant(node, 1) is not null;
        if (!isConstant || !(keepsAxis || (swallowsRest && layout.Spread == 1)))
        {
            Stop(node);
            return;
        }

        if (node.OpType == "Reshape") _reshapes.Add(node);
        _layouts[node.Outputs[0]] = layout with { Spread = spread };
    }

    private void FollowReduction(Node node)
    {
        long[]? axes = node.Ints("axes") ?? Integers(node, 1);
        string x = node.Inputs[0];
        if (axes is not null && ShapeOf(x) is { } shape && axes.All(axis => (axis < 0 ? axis + shape.Rank : axis) >= 2)) PassThrough(node);
        else Stop(node);
    }

    private void FollowTranspose(Node node)
    {
        if (node.Ints("perm") is [0, 1, ..]) PassThrough(node);
        else Stop(node);
    }

    /// <summary>No rule: everything that goes in keeps its channels, and what comes out has fixed ones.</summary>
    private void Stop(Node node)
    {
        foreach (string input in node.Inputs) LayoutOf(input)?.Fix();
        if (!node.Inputs.Any(_layouts.ContainsKey)) return;
        foreach (string output in node.Outputs) Open(output)?.Fix();
    }

    private ChannelLayout? Open(string value)
    {
        if (ShapeOf(value) is not { Rank: >= 2 } shape || shape[1] == 0) return null;
        return _layouts[value] = new ChannelLayout(NewSpace(shape[1]));
    }

    private ChannelLayout OpenLayer(Node node, int channels)
    {
        var layout = new ChannelLayout(NewSpace(channels));
        layout.Parts[0].AddLayer(_position, node.Name);
        return _layouts[node.Outputs[0]] = layout;
    }

    private void AddPick(Node node, ChannelLayout source, int[] map, int position)
    {
        ChannelSpace target = NewSpace(map.Length);
        _picks.Add(new ChannelPick(node, source, target, map, position, ShapeOf(node.Inputs[0])?.Rank ?? 0));
        _layouts[node.Outputs[0]] = new ChannelLayout(target);
    }

    private ChannelSpace NewSpace(int channels)
    {
        var space = new ChannelSpace(channels);
        _spaces.Add(space);
        return space;
    }

    private Tensor? Constant(Node node, int index) =>
        node.Input(index) is { } name && _graph.Initializers.TryGetValue(name, out Tensor? value) ? value : null;

    private long[]? Integers(Node node, int index) => Constant(node, index) switch
    {
        { Type: ElementType.Int64 } tensor => tensor.Values<long>().ToArray(),
        { Type: ElementType.Int32 } tensor => Array.ConvertAll(tensor.Values<int>().ToArray(), value => (long)value),
        _ => null,
    };

    private long Normalize(long axis, string value) => axis < 0 ? axis + (ShapeOf(value)?.Rank ?? 0) : axis;
}
