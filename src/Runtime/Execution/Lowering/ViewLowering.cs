using CoInference.Kernels.Reference;

namespace CoInference.Runtime.Execution;

/// <summary>Operators that only change the shape, or move elements without looking at them.</summary>
internal static class ViewLowering
{
    public static Operation? View(NodeView view)
    {
        PlanValue input = view.Input(0)!;
        if (input.Type != view.Output.Type || input.Shape.Count != view.Output.Shape.Count) return null;
        var operation = new ViewOperation(view.Node.Name, view.Node.OpType);
        operation.Inputs.Add(input);
        return operation;
    }

    public static Operation? Transpose(NodeView view)
    {
        PlanValue input = view.Input(0)!;
        int rank = input.Shape.Rank;
        if (rank is 0 or > StridedCopyOperation.MaximumRank || input.Type != view.Output.Type || input.Shape.Count == 0) return null;
        long[] order = view.Node.Ints("perm") ?? [.. Enumerable.Range(0, rank).Reverse().Select(axis => (long)axis)];
        if (order.Length != rank || order.Any(axis => axis < 0 || axis >= rank)) return null;
        int[] strides = input.Shape.Strides();
        return Strided(view, 0, [.. order.Select(axis => strides[axis])]);
    }

    public static Operation? Expand(NodeView view)
    {
        PlanValue input = view.Input(0)!;
        int rank = view.Output.Shape.Rank, added = rank - input.Shape.Rank;
        if (rank is 0 or > StridedCopyOperation.MaximumRank || input.Shape.Count == 0) return null;
        int[] strides = input.Shape.Strides(), repeated = new int[rank];
        for (int axis = added; axis < rank; axis++) repeated[axis] = input.Shape[axis - added] == 1 ? 0 : strides[axis - added];
        return Strided(view, 0, repeated);
    }

    /// <summary>Any slice with constant bounds.</summary>
    public static Operation? Slice(NodeView view)
    {
        PlanValue input = view.Input(0)!;
        int rank = input.Shape.Rank;
        if (rank is 0 or > StridedCopyOperation.MaximumRank || input.Shape.Count == 0) return null;
        if (view.ConstantList("starts", 1) is not { } starts || view.ConstantList("ends", 2) is not { } ends) return null;
        if ((view.Input(3) is not null && view.ConstantList("axes", 3) is null) || (view.Input(4) is not null && view.ConstantList("steps", 4) is null)) return null;
        Slicing.Range[] ranges = Slicing.Resolve(input.Shape, starts, ends, view.ConstantList("axes", 3), view.ConstantList("steps", 4));
        int[] strides = input.Shape.Strides(), steps = new int[rank];
        long offset = 0;
        for (int axis = 0; axis < rank; axis++)
        {
            // A single index takes no step, and the step of a hostile file times a stride may overflow.
            steps[axis] = ranges[axis].Count > 1 ? ranges[axis].Step * strides[axis] : 0;
            offset += (long)ranges[axis].Start * strides[axis];
        }

        return Strided(view, (int)offset, steps);
    }

    /// <summary>Parts of a value along one axis.</summary>
    public static Operation? Split(NodeView view)
    {
        PlanValue input = view.Input(0)!;
        if (input.Shape.Count == 0 || Array.Exists(view.Outputs, output => output is null)) return null;
        RunCopyOperation operation = Runs(view, input, (int)view.Node.Int("axis", 0));
        operation.Inputs.Add(input);
        operation.Outputs.AddRange(view.Outputs!);
        return operation;
    }

    /// <summary>Values joined along one axis.</summary>
    public static Operation? Concat(NodeView view)
    {
        if (view.Output.Shape.Count == 0 || Array.Exists(view.Inputs, input => input is null || input.Shape.Count == 0)) return null;
        RunCopyOperation operation = Runs(view, view.Output, (int)view.Node.Int("axis", 1));
        operation.Inputs.AddRange(view.Inputs!);
        return operation;
    }

    private static StridedCopyOperation Strided(NodeView view, int offset, int[] strides)
    {
        var operation = new StridedCopyOperation(view.Node.Name, view.Node.OpType, offset, strides);
        operation.Inputs.Add(view.Input(0)!);
        return operation;
    }

    private static RunCopyOperation Runs(NodeView view, PlanValue whole, int axis)
    {
        int outer = 1;
        foreach (int size in whole.Shape.Dimensions[..(axis < 0 ? axis + whole.Shape.Rank : axis)]) outer *= size;
        return new RunCopyOperation(view.Node.Name, view.Node.OpType, outer);
    }
}
