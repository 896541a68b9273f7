using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>Chooses a variant for every operation of a session on a device: the device's where it has a kernel, else the best row-major one of the CPU.</summary>
internal static class DeviceAssignment
{
    /// <summary>Chooses one variant per operation, in the order given.</summary>
    /// <exception cref="NotSupportedException">The context is strict and an operation has no kernel for the device; the message names both.</exception>
    public static StepVariant[] Assign(Operation[] operations, PlanContext context)
    {
        var variants = new StepVariant[operations.Length];
        for (int i = 0; i < operations.Length; i++)
        {
            Operation operation = operations[i];
            variants[i] = (operation.HasKernelsOfItsTypes || IsOfFloats(operation)) && operation.OnDevice(context) is { } variant ? variant : OnCpu(operation, context);
        }

        return variants;
    }

    private static StepVariant OnCpu(Operation operation, PlanContext context)
    {
        if (context.Strict && !operation.IsView)
            throw new NotSupportedException($"{operation.Op} '{operation.Node}' has no kernel for {context.Device!.Description.Id}; without --strict it runs on the CPU.");
        // Values cross the bus row-major; a kernel that wants channel blocks would reorder on both sides of it.
        StepVariant[] rowMajor = [.. operation.Variants(context).Where(IsRowMajor)];
        return rowMajor.Length > 0 ? rowMajor.MinBy(variant => variant.Microseconds)! : operation.Variants(context)[0];
    }

    private static bool IsOfFloats(Operation operation) =>
        operation.Inputs.TrueForAll(value => value.Type == ElementType.Float32) && operation.Outputs.TrueForAll(value => value.Type == ElementType.Float32);

    private static bool IsRowMajor(StepVariant variant) =>
        Array.TrueForAll(variant.Inputs, layout => layout.IsNchw) && Array.TrueForAll(variant.Outputs, layout => layout.IsNchw);
}
