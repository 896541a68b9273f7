using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>
/// Chooses a variant for every operation so that the expected time of all kernels and of the reorders between
/// disagreeing neighbours is low: coordinate descent from two starting points, one that follows each producer's layout
/// and, when a layer has a row-major kernel, one that is row-major throughout; the cheaper end wins.
/// </summary>
/// <remarks>
/// A single start can be stuck where changing one operation alone pays two reorders although changing a run of them
/// would pay off; the row-major start covers networks whose best kernels are row-major.
/// </remarks>
internal sealed class LayoutAssignment
{
    private const int MaximumSweeps = 6;

    private readonly Operation[] _operations;
    private readonly IReadOnlyList<StepVariant>[] _variants;
    private readonly Dictionary<PlanValue, (int Operation, int Output)> _producers = [];
    private readonly Dictionary<PlanValue, List<(int Operation, int Input)>> _readers = [];
    private readonly StepVariant?[] _chosen;
    private readonly int _threads;

    private LayoutAssignment(Operation[] operations, PlanContext context)
    {
        _operations = operations;
        _threads = context.Threads;
        _variants = new IReadOnlyList<StepVariant>[operations.Length];
        _chosen = new StepVariant?[operations.Length];
        for (int i = 0; i < operations.Length; i++)
        {
            _variants[i] = operations[i].Variants(context);
            for (int output = 0; output < operations[i].Outputs.Count; output++) _producers[operations[i].Outputs[output]] = (i, output);
            for (int input = 0; input < operations[i].Inputs.Count; input++)
            {
                PlanValue value = operations[i].Inputs[input];
                if (!_readers.TryGetValue(value, out List<(int, int)>? readers)) _readers[value] = readers = [];
                readers.Add((i, input));
            }
        }
    }

    /// <summary>Chooses one variant per operation, in the order given.</summary>
    public static StepVariant[] Assign(Operation[] operations, PlanContext context)
    {
        var assignment = new LayoutAssignment(operations, context);
        (StepVariant[] choice, double cost) following = assignment.Descend(rowMajor: false);
        if (!assignment.HasRowMajorLayer()) return following.choice;
        (StepVariant[] choice, double cost) rowMajor = assignment.Descend(rowMajor: true);
        return rowMajor.cost < following.cost ? rowMajor.choice : following.choice;
    }

    /// <summary>Expected time of converting a value, in microseconds; zero where the bytes do not change.</summary>
    public static double ReorderMicroseconds(PlanValue value, ActivationLayout from, ActivationLayout to, int threads)
    {
        const double BytesPerMicrosecond = 20000, HandOverMicroseconds = 2;
        if (from == to || value.Constant is not null || IsFreeReorder(value, from, to)) return 0;
        int parts = ReorderOperation.Parts(value, from, to, threads);
        return 0.3 + (parts > 1 ? HandOverMicroseconds : 0) + ((value.Bytes(from) + value.Bytes(to)) / (BytesPerMicrosecond * parts));
    }

    /// <summary>
    /// Whether a value of one pixel per image has the same bytes under both layouts: then channels are adjacent either
    /// way, and padding channels only matter between images or when they must be created.
    /// </summary>
    public static bool IsFreeReorder(PlanValue value, ActivationLayout from, ActivationLayout to)
    {
        if (from == to) return true;
        if (value.Image is not { } image || image.Pixels != 1) return false;
        bool sameChannels = from.PaddedChannels(image.Channels) == to.PaddedChannels(image.Channels);
        return sameChannels || (image.Batch == 1 && from.PaddedChannels(image.Channels) > to.PaddedChannels(image.Channels));
    }

    private (StepVariant[] Choice, double Cost) Descend(bool rowMajor)
    {
        Array.Clear(_chosen);
        for (int i = 0; i < _operations.Length; i++)
        {
            _chosen[i] = rowMajor ? _variants[i].FirstOrDefault(IsRowMajor) ?? _variants[i][0] : Cheapest(i);
        }

        for (int sweep = 0; sweep < MaximumSweeps; sweep++)
        {
            bool changed = false;
            for (int step = 0; step < _operations.Length; step++)
            {
                int i = sweep % 2 == 0 ? _operations.Length - 1 - step : step;
                StepVariant best = Cheapest(i);
                changed |= best != _chosen[i];
                _chosen[i] = best;
            }

            if (!changed) break;
        }

        double cost = 0;
        for (int i = 0; i < _operations.Length; i++) cost += _chosen[i]!.Microseconds + InputCost(i, _chosen[i]!);
        return ((StepVariant[])_chosen.Clone()!, cost);
    }

    private bool HasRowMajorLayer()
    {
        for (int i = 0; i < _operations.Length; i++)
        {
            if (_operations[i] is ConvOperation && _variants[i].Count > 1 && _variants[i].Any(IsRowMajor)) return true;
        }

        return false;
    }

    private static bool IsRowMajor(StepVariant variant) =>
        Array.TrueForAll(variant.Inputs, layout => layout.IsNchw) && Array.TrueForAll(variant.Outputs, layout => layout.IsNchw);

    private StepVariant Cheapest(int operation)
    {
        IReadOnlyList<StepVariant> variants = _variants[operation];
        if (variants.Count == 1) return variants[0];
        StepVariant best = variants[0];
        double bestCost = double.PositiveInfinity;
        foreach (StepVariant variant in variants)
        {
            double cost = variant.Microseconds + InputCost(operation, variant) + OutputCost(operation, variant);
            if (cost >= bestCost) continue;
            best = variant;
            bestCost = cost;
        }

        return best;
    }

    private double InputCost(int operation, StepVariant variant)
    {
        double cost = 0;
        List<PlanValue> inputs = _operations[operation].Inputs;
        for (int i = 0; i < inputs.Count; i++)
        {
            ActivationLayout produced = ActivationLayout.Nchw;
            if (_producers.TryGetValue(inputs[i], out (int Operation, int Output) producer))
            {
                if (_chosen[producer.Operation] is not { } source) continue;
                produced = source.Outputs[producer.Output];
            }

            cost += ReorderMicroseconds(inputs[i], produced, variant.Inputs[i], _threads);
        }

        return cost;
    }

    private double OutputCost(int operation, StepVariant variant)
    {
        double cost = 0;
        List<PlanValue> outputs = _operations[operation].Outputs;
        for (int i = 0; i < outputs.Count; i++)
        {
            if (outputs[i].IsOutput) cost += ReorderMicroseconds(outputs[i], variant.Outputs[i], ActivationLayout.Nchw, _threads);
            if (!_readers.TryGetValue(outputs[i], out List<(int Operation, int Input)>? readers)) continue;
            int seen = variant.Outputs[i].Block;
            foreach ((int reader, int input) in readers)
            {
                // Readers that want the same layout share one reorder; blocks are powers of two, so a sum is a set here.
                if (_chosen[reader] is not { } choice || (seen & choice.Inputs[input].Block) != 0) continue;
                seen |= choice.Inputs[input].Block;
                cost += ReorderMicroseconds(outputs[i], variant.Outputs[i], choice.Inputs[input], _threads);
            }
        }

        return cost;
    }
}
