using CoInference.Kernels.Devices;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>Expected times of steps that are not convolutions, for the choice of layouts.</summary>
internal static class StepCost
{
    /// <summary>The blocked layout of this CPU.</summary>
    public static ActivationLayout Blocked { get; } = new(CpuFeatures.ChannelBlock);

    /// <summary>A step that streams its operands once.</summary>
    public static double Streaming(long bytes) => 0.2 + (bytes / 10_000.0);

    /// <summary>A step on the scalar reference kernels, which allocate and compute one element at a time.</summary>
    public static double Reference(long bytes) => 20 + (bytes / 50.0);

    /// <summary>Bytes of all operands, row-major.</summary>
    public static long Bytes(Operation operation)
    {
        long bytes = 0;
        foreach (PlanValue value in operation.Inputs) bytes += value.Bytes(ActivationLayout.Nchw);
        foreach (PlanValue value in operation.Outputs) bytes += value.Bytes(ActivationLayout.Nchw);
        return bytes;
    }

    /// <summary>A variant whose operands all have one layout.</summary>
    public static StepVariant Uniform(Operation operation, string kernel, ActivationLayout layout, double microseconds)
    {
        var inputs = new ActivationLayout[operation.Inputs.Count];
        var outputs = new ActivationLayout[operation.Outputs.Count];
        Array.Fill(inputs, layout);
        Array.Fill(outputs, layout);
        return new StepVariant(kernel, inputs, outputs, microseconds);
    }

    /// <summary>Row-major, and blocked where every operand is an image.</summary>
    public static IReadOnlyList<StepVariant> AnyLayout(Operation operation, string kernel)
    {
        double time = Streaming(Bytes(operation));
        StepVariant rowMajor = Uniform(operation, kernel, ActivationLayout.Nchw, time);
        bool images = operation.Inputs.TrueForAll(value => value.Image is not null) && operation.Outputs.TrueForAll(value => value.Image is not null);
        return images ? [Uniform(operation, kernel, Blocked, time), rowMajor] : [rowMajor];
    }
}
