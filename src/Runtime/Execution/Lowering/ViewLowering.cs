namespace CoInference.Runtime.Execution;

/// <summary>Operators that only change the shape.</summary>
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
}
