namespace CoInference.Kernels.Gpu;

/// <summary>How the parameters of a kernel in C# map to those of its translations.</summary>
internal static class KernelArguments
{
    /// <summary>For each parameter the index of the first native one: a view has three, a specialized parameter none (-1).</summary>
    public static int[] FirstIndices(KernelSource source)
    {
        var indices = new int[source.Parameters.Count];
        int next = 0;
        for (int i = 0; i < indices.Length; i++)
        {
            KernelParameterKind kind = source.Parameters[i].Kind;
            indices[i] = kind == KernelParameterKind.Specialized ? -1 : next;
            next += kind switch { KernelParameterKind.View => 3, KernelParameterKind.Scalar => 1, _ => 0 };
        }

        return indices;
    }
}
