using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Execution;

/// <summary>The way from a graph to a plan: fix the batch, simplify, infer shapes, lower and fuse, choose layouts and kernels.</summary>
/// <param name="Graph">The simplified graph.</param>
/// <param name="Plan">The plan; null when a shape is known only from data, or a value has no elements.</param>
/// <param name="Inputs">Inputs with shapes at the batch size.</param>
/// <param name="Outputs">Outputs with shapes at the batch size.</param>
/// <param name="Repeats">How often the plan runs for one batch.</param>
/// <param name="Threads">Threads that share each step.</param>
internal sealed record Compilation(Graph Graph, ExecutionPlan? Plan, SessionValue[] Inputs, SessionValue[] Outputs, int Repeats, int Threads)
{
    // What other threads save of some 20 us is less than it takes to bring them their part of the input, and theirs of the output back.
    private const long SmallMultiplyAdds = 3_000_000, SmallBytes = 512 * 1024;

    public static Compilation Create(Graph graph, SessionOptions options)
    {
        int repeats = Repeat(graph, options.BatchSize);
        int batch = options.BatchSize / repeats;
        Graph simplified = GraphLowering.IsReadyFor(graph) ? graph : GraphSimplifier.Simplify(WithBatch(graph, batch), batch);
        IReadOnlyDictionary<string, ValueSpec> values = ShapeInference.Infer(simplified, null, batch);
        var context = new PlanContext(options.EffectiveThreads, options.Chooser, options.ForcedKernel, options.Precise, options.Device, options.Strict, options.KeepsOutputOnDevice, options.Precision, options.TakesInputOnDevice);
        ExecutionPlan? plan = Plan(context);
        if (context is { Threads: > 1, Device: null } && !options.SharesSmallGraphs && plan is not null && IsSmall(plan))
        {
            context = context with { Threads = 1 };
            plan = Plan(context);
        }

        return new Compilation(
            simplified, plan, Describe(simplified.Inputs, values, repeats), Describe(simplified.Outputs, values, repeats), repeats, context.Threads);

        ExecutionPlan? Plan(PlanContext context) =>
            GraphLowering.Lower(simplified, values, context, options.Reference) is { } operations ? ExecutionPlan.Create(operations, context) : null;
    }

    private static bool IsSmall(ExecutionPlan plan)
    {
        StepSpec[] steps = plan.Describe();
        return steps.Sum(step => step.MultiplyAdds) < SmallMultiplyAdds && steps.Sum(step => step.Bytes) < SmallBytes;
    }

    /// <summary>1 when the batch is symbolic or fits; the batch size when the graph is fixed at one image.</summary>
    private static int Repeat(Graph graph, int batchSize)
    {
        if (batchSize == 1) return 1;
        foreach (ValueInfo input in graph.Inputs)
        {
            if (input.Dimensions is not [{ Size: { } size }, ..] || size == batchSize) continue;
            if (size != 1) throw new ArgumentException($"Input '{input.Name}' has a fixed batch of {size}; batch size {batchSize} does not fit.", nameof(batchSize));
            if (graph.Inputs.Count == 1) return batchSize;
            throw new ArgumentException($"Input '{input.Name}' has a fixed batch of 1; batch size {batchSize} does not fit a network of several inputs.", nameof(batchSize));
        }

        return 1;
    }

    /// <summary>The graph with its symbolic batch made a number, so that everything that depends on it can be folded.</summary>
    private static Graph WithBatch(Graph graph, int batch)
    {
        Graph bound = graph.Clone();
        for (int i = 0; i < bound.Inputs.Count; i++)
        {
            ValueInfo input = bound.Inputs[i];
            if (input.Dimensions is not [{ Size: null }, ..]) continue;
            bound.Inputs[i] = input with { Dimensions = [new Dimension(batch), .. input.Dimensions.Skip(1)] };
        }

        return bound;
    }

    private static SessionValue[] Describe(List<ValueInfo> declared, IReadOnlyDictionary<string, ValueSpec> values, int repeats) =>
        [.. declared.Select(value => new SessionValue(value.Name, values[value.Name].Type, Repeated(values[value.Name].Shape, repeats)))];

    private static TensorShape? Repeated(TensorShape? shape, int repeats)
    {
        if (repeats == 1 || shape is not { Rank: > 0 } known) return shape;
        int[] dimensions = known.Dimensions.ToArray();
        dimensions[0] *= repeats;
        return new TensorShape(dimensions);
    }
}
