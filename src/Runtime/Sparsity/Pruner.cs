using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Sparsity;

/// <summary>
/// Realises sparsity decisions in a network: removes channels physically, zeroes blocks or single weights, and re-fits
/// what is left on calibration images. The network itself is never changed.
/// </summary>
/// <remarks>
/// What a decision removes depends on its own count alone: rankings are made once, so that pricing a decision
/// (<see cref="Shape"/>) and applying it (<see cref="Apply"/>) give layers of the same shapes and densities. Not for use
/// by several threads at once.
/// </remarks>
public sealed class Pruner
{
    // A handful of values of this size are alive at a time.
    private const int MaxActivationFloats = 1 << 25;

    private readonly Graph _graph;
    private readonly PrunerOptions _options;
    private readonly ChannelAnalysis _analysis;
    private readonly Dictionary<(string Name, WeightForm Form), PrunableGroup> _groups;
    private readonly Dictionary<string, ChannelSpace> _spaces = new(StringComparer.Ordinal);
    private readonly IReadOnlyDictionary<ChannelSpace, ResidualBranch> _branches;
    private readonly Dictionary<ChannelSpace, int[]> _ranking;
    private readonly Dictionary<string, ChannelLayout> _layerOutputs = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Layer, int UnitChannels), int[]> _unitOrders = [];
    private readonly ChannelSaliency _saliency;
    private readonly Refitter? _refitter;

    /// <summary>The network with what each weight is worth in place of the weight; null when weights are ranked by themselves.</summary>
    private readonly Graph? _scores;

    private Pruner(Graph canonical, Tensor? calibration, PrunerOptions options, CancellationToken cancellation)
    {
        (_graph, _options) = (canonical, options);
        _analysis = new ChannelAnalysis(canonical);
        _branches = ResidualBranch.Find(canonical, _analysis);
        _groups = Enum.GetValues<WeightForm>().SelectMany(form => PrunableGroups.Find(canonical, _analysis, _branches, form, options.BlockChannels))
            .ToDictionary(group => (group.Name, group.Form));
        foreach (ChannelSpace space in PrunableGroups.ChannelSpaces(_analysis)) _spaces.Add(space.Layers.First(), space);
        foreach (WeightAxis axis in _analysis.WeightAxes) _layerOutputs[axis.Node.Name] = _analysis.LayoutOf(axis.Node.Outputs[0])!;
        if (calibration is not null && options.Importance == Importance.Taylor)
        {
            var taylor = new TaylorImportance(canonical, calibration, options.Workers.Threads, cancellation);
            _saliency = new ChannelSaliency(canonical, _analysis, options, taylor);
            _scores = taylor.Scores(canonical);
        }
        else
        {
            _saliency = new ChannelSaliency(canonical, _analysis, options);
        }

        if (calibration is not null)
        {
            int images = Math.Min(Math.Min(options.Refit.Images, calibration.Shape[0]), MostImages());
            var input = CalibrationActivation.FromTensor(First(calibration, images));
            _refitter = new Refitter(canonical, input, options, _saliency.Observe, cancellation);
        }

        _ranking = _saliency.Rank(_spaces.Values);
    }

    /// <summary>Prepares a pruner: analyses the network, ranks what can be removed, and records what layers should compute.</summary>
    /// <param name="canonical">A simplified graph with one input.</param>
    /// <param name="calibration">
    /// Preprocessed images, [N, C, H, W]; labels are not needed. Null when only shapes matter: weights are then ranked
    /// without activations and not re-fitted.
    /// </param>
    /// <param name="options">Options; null for the defaults.</param>
    /// <param name="cancellation">Stops the preparation.</param>
    /// <exception cref="ArgumentException">The calibration images do not have the network's input shape.</exception>
    /// <exception cref="InvalidDataException">Shapes cannot be inferred.</exception>
    /// <exception cref="NotSupportedException">The network has several inputs, or an operator cannot be run.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Pruner Create(Graph canonical, Tensor? calibration = null, PrunerOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(canonical);
        if (calibration is not null) CheckCalibration(canonical, calibration);
        return new Pruner(canonical, calibration, options ?? new PrunerOptions(), cancellation);
    }

    /// <summary>The groups that decisions may name, in graph order of their first layers.</summary>
    /// <param name="form">How sparsity is realised.</param>
    public IReadOnlyList<PrunableGroup> Groups(WeightForm form) => _groups.Values.Where(group => group.Form == form).ToList();

    /// <summary>The pruned network without a re-fit: its shapes and zeros are final, its weights are not. Cheap.</summary>
    /// <param name="decisions">At most one decision per group and form; groups without one stay dense.</param>
    /// <exception cref="ArgumentException">A decision names no group of this network, is given twice, or asks for the impossible.</exception>
    public Graph Shape(IReadOnlyList<GroupDecision> decisions) => Prune(decisions, out _, out _);

    /// <summary>The pruned network with re-fitted weights, ready to be judged or deployed.</summary>
    /// <param name="decisions">At most one decision per group and form; groups without one stay dense.</param>
    /// <param name="cancellation">Stops the re-fit.</param>
    /// <exception cref="ArgumentException">A decision names no group of this network, is given twice, or asks for the impossible.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public Graph Apply(IReadOnlyList<GroupDecision> decisions, CancellationToken cancellation = default)
    {
        Graph pruned = Prune(decisions, out Dictionary<ChannelSpace, int[]> kept, out HashSet<string> masked);
        if (_refitter is null || _options.Refit.Mode == RefitMode.None) return pruned;
        _refitter.Refit(pruned, layer => _layerOutputs[layer].KeptPositions(space => kept[space.Root]), masked, cancellation);
        GraphSimplifier.RemoveDeadNodes(pruned);
        return pruned;
    }

    /// <summary>
    /// Divides a sparsity of the whole network among the groups of blocks or single weights: those units go first whose loss raises
    /// the squared error of their layer's output least, as a share of that output, for each weight that goes.
    /// </summary>
    /// <param name="form">Blocks or single weights.</param>
    /// <param name="sparsity">Share of all weights of the groups to remove, 0 to below 1.</param>
    /// <returns>One decision per group; null when a layer's errors are not known: without calibration, by another importance, or beyond a size.</returns>
    /// <exception cref="ArgumentException">The form is that of channels.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The sparsity is out of range.</exception>
    public IReadOnlyList<GroupDecision>? Allocate(WeightForm form, double sparsity)
    {
        if (form == WeightForm.Dense) throw new ArgumentException("Channels are not divided among groups; expected blocks or single weights.", nameof(form));
        UnitAllocation.Check(sparsity);
        IReadOnlyList<PrunableGroup> groups = Groups(form);
        var costs = new List<(double Cost, int Group)>();
        for (int group = 0; group < groups.Count; group++)
        {
            PrunableGroup layer = groups[group];
            if (_saliency.UnitImportance(layer.Name, form == WeightForm.Block ? _options.BlockChannels : 1) is not { } importance) return null;
            double scale = (double)layer.Units / layer.Layers[0].Shape.WeightCount / Math.Max(_saliency.OutputEnergy(layer.Name)!.Value, double.Epsilon);
            foreach (float cost in importance) costs.Add((cost * scale, group));
        }

        return UnitAllocation.Divide(groups, costs, sparsity);
    }

    private Graph Prune(IReadOnlyList<GroupDecision> decisions, out Dictionary<ChannelSpace, int[]> kept, out HashSet<string> masked)
    {
        ArgumentNullException.ThrowIfNull(decisions);
        var seen = new HashSet<(string, WeightForm)>();
        foreach (GroupDecision decision in decisions)
        {
            Check(decision);
            if (!seen.Add((decision.Group, decision.Form))) throw new ArgumentException($"Group '{decision.Group}' has two {decision.Form} decisions.", nameof(decisions));
        }

        Dictionary<ChannelSpace, int[]> chosen = KeptChannels(decisions);
        kept = chosen;
        Graph pruned = ChannelSlicer.Slice(_graph, _analysis, space => chosen[space.Root]);
        GroupDecision[] removed = [.. decisions.Where(decision => decision.KeptChannels == 0)];
        foreach (GroupDecision decision in removed) _branches[_spaces[decision.Group]].RemoveFrom(pruned);
        if (removed.Length > 0) GraphSimplifier.RemoveDeadNodes(pruned);
        Graph? scores = _scores is null ? null : ChannelSlicer.Slice(_scores, _analysis, space => chosen[space.Root]);
        masked = new HashSet<string>(StringComparer.Ordinal);
        foreach (GroupDecision decision in decisions)
        {
            if (decision.Form == WeightForm.Dense || decision.Sparsity <= 0) continue;
            Mask(pruned, decision, chosen, scores);
            masked.Add(decision.Group);
        }

        return pruned;
    }

    private Dictionary<ChannelSpace, int[]> KeptChannels(IReadOnlyList<GroupDecision> decisions)
    {
        Dictionary<ChannelSpace, int[]> kept = _analysis.Roots.ToDictionary(space => space, space => Enumerable.Range(0, space.Channels).ToArray());
        foreach (GroupDecision decision in decisions)
        {
            // A branch that goes altogether is taken out as a whole, later.
            if (decision.Form != WeightForm.Dense || decision.KeptChannels == 0) continue;
            ChannelSpace space = _spaces[decision.Group];
            int[] chosen = _ranking[space][..decision.KeptChannels];
            Array.Sort(chosen);
            kept[space] = chosen;
        }

        // A pick without layers has no decision of its own: it keeps what its source keeps, and its zeros.
        foreach (ChannelPick pick in _analysis.Picks)
        {
            ChannelSpace target = pick.Target.Root;
            if (target.IsFixed || target.Layers.Count > 0 || pick.Source.IsUnchanged(space => kept[space.Root])) continue;
            var left = pick.Source.KeptPositions(space => kept[space.Root]).ToHashSet();
            int[] followers = Enumerable.Range(0, target.Channels).Where(channel => pick.Map[channel] < 0 || left.Contains(pick.Map[channel])).ToArray();
            if (followers.Length > 0) kept[target] = followers;
        }

        ChannelOrder.Arrange(_analysis, kept);
        return kept;
    }

    private void Mask(Graph pruned, GroupDecision decision, Dictionary<ChannelSpace, int[]> kept, Graph? scores)
    {
        Node node = pruned.Nodes.Find(candidate => candidate.Name == decision.Group)
            ?? throw new ArgumentException($"Group '{decision.Group}' has a {decision.Form} decision, but its branch is removed.");
        Tensor weights = pruned.Initializers[node.Inputs[1]];
        bool outputsLast = node.OpType == "MatMul" || (node.OpType == "Gemm" && node.Int("transB", 0) == 0);
        int outputs = weights.Shape[outputsLast ? 1 : 0];
        int unitChannels = decision.Form == WeightForm.Block ? _options.BlockChannels : 1;
        int[] order = UnitOrder(node, weights, outputsLast, unitChannels, kept, scores?.Initializers[node.Inputs[1]]);
        int removed = Math.Min((int)Math.Round(decision.Sparsity * order.Length), order.Length - 1);
        string name = $"{node.Name}.masked";
        pruned.Initializers[name] = WeightMask.Zero(weights, outputsLast, outputs, unitChannels, order.AsSpan(0, removed));
        node.Inputs[1] = name;
    }

    /// <summary>The blocks or weights of a layer from the least to the most important; remembered for a layer that lost no channels.</summary>
    private int[] UnitOrder(Node node, Tensor weights, bool outputsLast, int unitChannels, Dictionary<ChannelSpace, int[]> kept, Tensor? scores)
    {
        bool isOriginal = _graph.Initializers.GetValueOrDefault(node.Inputs[1]) == weights;
        if (isOriginal && _unitOrders.TryGetValue((node.Name, unitChannels), out int[]? known)) return known;
        int outputs = weights.Shape[outputsLast ? 1 : 0], taps = weights.Count / outputs;
        if (isOriginal && _saliency.UnitImportance(node.Name, unitChannels) is { } importance)
            return _unitOrders[(node.Name, unitChannels)] = WeightMask.Rank(InTensorOrder(node, weights, importance, taps));
        double[]? factors = TapFactors(node, taps, kept);
        ReadOnlySpan<float> values = weights.Values<float>(), given = scores is null ? [] : scores.Values<float>();
        var saliency = new float[values.Length];
        for (int o = 0; o < outputs; o++)
        {
            for (int tap = 0; tap < taps; tap++)
            {
                int at = outputsLast ? (tap * outputs) + o : (o * taps) + tap;
                float weight = values[at];
                saliency[(o * taps) + tap] = scores is not null ? given[at] : factors is not null ? (float)(weight * weight * factors[tap])
                    : _options.Importance == Importance.L1 ? Math.Abs(weight) : weight * weight;
            }
        }

        int[] order = WeightMask.Rank(WeightMask.Importance(saliency, outputs, unitChannels));
        if (isOriginal) _unitOrders[(node.Name, unitChannels)] = order;
        return order;
    }

    /// <summary>Rows of taps in the order of the layer's ONNX tensor, from those in the order kernel row, kernel column, input channel.</summary>
    private static float[] InTensorOrder(Node node, Tensor weights, float[] importance, int taps)
    {
        int positions = node.OpType == "Conv" ? weights.Count / weights.Shape[0] / weights.Shape[1] : 1, channels = taps / positions;
        var ordered = new float[importance.Length];
        for (int i = 0; i < ordered.Length; i++)
        {
            (int run, int tap) = Math.DivRem(i, taps);
            ordered[i] = importance[(run * taps) + (tap % positions * channels) + (tap / positions)];
        }

        return ordered;
    }

    /// <summary>What a squared weight is worth at each tap of a layer whose input may have lost channels; taps in the order of its ONNX tensor.</summary>
    private double[]? TapFactors(Node node, int taps, Dictionary<ChannelSpace, int[]> kept)
    {
        if (_saliency.TapFactors(node.Name) is not { } original) return null;
        WeightAxis? input = _analysis.WeightAxes.FirstOrDefault(axis => axis is { Input: 1, IsOutput: false } && axis.Node.Name == node.Name);
        Tensor before = _graph.Initializers[_graph.Nodes.First(candidate => candidate.Name == node.Name).Inputs[1]];
        int positions = node.OpType == "Conv" ? before.Count / before.Shape[0] / before.Shape[1] : 1, channels = original.Length / positions;
        int[] channelsLeft = input?.Channels.KeptPositions(space => kept[space.Root]) ?? Enumerable.Range(0, channels).ToArray();
        var factors = new double[taps];
        for (int tap = 0; tap < taps; tap++) factors[tap] = original[(tap % positions * channels) + channelsLeft[tap / positions]];
        return factors;
    }

    private void Check(GroupDecision decision)
    {
        if (!_groups.TryGetValue((decision.Group, decision.Form), out PrunableGroup? group))
            throw new ArgumentException($"The network has no {decision.Form} group '{decision.Group}'; its groups are {string.Join(", ", Groups(decision.Form).Select(known => known.Name))}.");
        if (decision.Channels != group.Channels)
            throw new ArgumentException($"Group '{group.Name}' has {group.Channels} channels, the decision says {decision.Channels}.");
        int fewest = group.Sum is null ? 1 : 0;
        if (decision.KeptChannels < fewest || decision.KeptChannels > group.Channels)
            throw new ArgumentException($"Group '{group.Name}' cannot keep {decision.KeptChannels} of {group.Channels} channels, expected {fewest} to {group.Channels}.");
        if (!(decision.Sparsity >= 0 && decision.Sparsity <= 1))
            throw new ArgumentException($"Group '{group.Name}' cannot have sparsity {decision.Sparsity}.");
    }

    private static void CheckCalibration(Graph canonical, Tensor calibration)
    {
        if (canonical.Inputs is not [var input]) throw new NotSupportedException($"Graph '{canonical.Name}' has {canonical.Inputs.Count} inputs; re-fitting needs exactly one.");
        if (calibration.Type != ElementType.Float32 || calibration.Shape.Rank < 2 || calibration.Shape[0] < 1)
            throw new ArgumentException($"Calibration images are {calibration}, expected floats with one image per row.", nameof(calibration));
        TensorShape? expected = ShapeInference.Infer(canonical).GetValueOrDefault(input.Name)?.Shape;
        if (expected is { } shape && !shape.Dimensions[1..].SequenceEqual(calibration.Shape.Dimensions[1..]))
            throw new ArgumentException($"Calibration images are {calibration.Shape}, but input '{input.Name}' is {shape} for one image.", nameof(calibration));
    }

    /// <summary>Images for which the largest value of the network, kept for all of them at once, stays within bounds.</summary>
    private int MostImages()
    {
        int largest = _graph.Nodes.SelectMany(node => node.Outputs).Select(value => _analysis.ShapeOf(value)?.Count ?? 0).DefaultIfEmpty(1).Max();
        return Math.Max(1, MaxActivationFloats / Math.Max(1, largest));
    }

    private static Tensor First(Tensor images, int count)
    {
        int[] dimensions = images.Shape.Dimensions.ToArray();
        int size = images.Count / dimensions[0];
        dimensions[0] = count;
        return Tensor.From<float>(new TensorShape(dimensions), images.Values<float>()[..(count * size)]);
    }
}
