using CoInference.Kernels.Reference;
using CoInference.Runtime.Execution.Operators;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Execution;

/// <summary>Resizing of float values with constant scales or sizes.</summary>
internal static class ResizeLowering
{
    public static Operation? Resize(NodeView view)
    {
        if (!view.IsFloat || view.Input(0)!.Shape.Count == 0 || Array.Exists(view.Inputs[1..], input => input is { Constant: null })) return null;
        PlanValue input = view.Input(0)!;
        var specs = new ValueSpec?[view.Inputs.Length];
        specs[0] = new ValueSpec(input.Type, input.Shape);
        for (int i = 1; i < specs.Length; i++) specs[i] = view.Inputs[i]?.Constant is { } constant ? ValueSpec.Of(constant) : null;
        (AxisResize[] axes, ResizeSettings settings) = ResizeOperators.Describe(new NodeContext(view.Node, view.Opset, specs));
        if (settings.Mapping == CoordinateMapping.CropAndResize) return null;
        var passes = new List<ResizePass>();
        foreach (AxisResize axis in axes.OrderBy(axis => axis.Axis))
        {
            int before = input.Shape[axis.Axis];
            (int Source, double Weight)[][] taps = Resizing.Taps(axis, before, settings);
            if (taps.Length == before && taps.Select((place, i) => place is [(var at, 1.0)] && at == i).All(same => same)) continue;
            passes.Add(new ResizePass(axis.Axis, before, Array.ConvertAll(taps, place => Array.ConvertAll(place, tap => (tap.Source, (float)tap.Weight)))));
        }

        if (passes.Count == 0) return ViewLowering.View(view);
        var operation = new ResizeOperation(view.Node.Name, view.Node.OpType, passes);
        operation.Inputs.Add(input);
        return operation;
    }
}
