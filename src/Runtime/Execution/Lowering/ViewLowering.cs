namespace CoInference.Runtime.Execution;

/// <summary>Operators that only change the shape or the order of the axes.</summary>
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
        if (rank is 0 or > TransposeOperation.MaximumRank || input.Type != view.Output.Type || input.Shape.Count == 0) return null;
        long[] order = view.Node.Ints("perm") ?? [.. Enumerable.Range(0, rank).Reverse().Select(axis => (long)axis)];
        if (order.Length != rank || order.Any(axis => axis < 0 || axis >= rank)) return null;
        var operation = new TransposeOperation(view.Node.Name, [.. order.Select(axis => (int)axis)]);
        operation.Inputs.Add(input);
        return operation;
    }
}
