using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>The same elements in the same order under another shape: Reshape, Flatten, Squeeze, Unsqueeze, Identity.</summary>
internal sealed class ViewOperation(string node, string op) : Operation(node, op)
{
    public override string Attributes => "";

    public override bool IsView => true;

    // Channel blocks survive only when the image stays the same, as from [N, C, 1, 1] to [N, C].
    public override IReadOnlyList<StepVariant> Variants(PlanContext context)
    {
        StepVariant rowMajor = StepCost.Uniform(this, "view", ActivationLayout.Nchw, 0);
        return Inputs[0].Image is { } image && image == Outputs[0].Image
            ? [.. StepCost.Blocked.Select(layout => StepCost.Uniform(this, "view", layout, 0)), rowMajor]
            : [rowMajor];
    }

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights) =>
        throw new InvalidOperationException($"{Op} '{Node}' is a view and needs no step.");
}
