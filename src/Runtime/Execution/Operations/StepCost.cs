using CoInference.Kernels.Devices;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>Expected times of steps that are not convolutions, for the choice of layouts.</summary>
internal static class StepCost
{
    private static readonly ActivationLayout[] BlockedLayouts =
        [.. new[] { 16, 8, 4 }.Where(block => block <= CpuFeatures.ChannelBlock && (block > 4 || CpuFeatures.ChannelBlock == 4)).Select(block => new ActivationLayout(block))];

    /// <summary>The blocked layouts that kernels of this CPU use, widest first.</summary>
    public static IReadOnlyList<ActivationLayout> Blocked => BlockedLayouts;

    /// <summary>A step that streams its operands once.</summary>
    public static double Streaming(long bytes) => 0.2 + (bytes / 10_000.0);

    /// <summary>A step on the scalar reference kernels, which allocate and compute one element at a time.</summary>
    public static double Reference(long bytes) => 20 + (bytes / 50.0);

    /// <summary>Bytes of all operands, row-major.</summary>
    public static long Bytes(Operation operation) => Bytes(operation, ActivationLayout.Nchw);

    /// <summary>A variant whose operands all have one layout.</summary>
    public static StepVariant Uniform(Operation operation, string kernel, ActivationLayout layout, double microseconds)
    {
        var inputs = new ActivationLayout[operation.Inputs.Count];
        var outputs = new ActivationLayout[operation.Outputs.Count];
        Array.Fill(inputs, layout);
        Array.Fill(outputs, layout);
        return new StepVariant(kernel, inputs, outputs, microseconds);
    }

    /// <summary>Row-major, and every block where all operands are images, for a step that streams them once.</summary>
    public static IReadOnlyList<StepVariant> AnyLayout(Operation operation, string kernel)
    {
        var variants = new List<StepVariant>(BlockedLayouts.Length + 1);
        if (operation.Inputs.TrueForAll(value => value.Image is not null) && operation.Outputs.TrueForAll(value => value.Image is not null))
        {
            foreach (ActivationLayout layout in BlockedLayouts)
                variants.Add(Uniform(operation, kernel, layout, Streaming(Bytes(operation, layout))));
        }

        variants.Add(Uniform(operation, kernel, ActivationLayout.Nchw, Streaming(Bytes(operation))));
        return variants;
    }

    private static long Bytes(Operation operation, ActivationLayout layout)
    {
        long bytes = 0;
        foreach (PlanValue value in operation.Inputs) bytes += value.Bytes(layout);
        foreach (PlanValue value in operation.Outputs) bytes += value.Bytes(layout);
        return bytes;
    }
}
