using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Gpu;

/// <summary>What a parameter of a device kernel is, which decides how the host passes it.</summary>
public enum GpuParameterKind
{
    /// <summary>An <c>ArrayView&lt;T&gt;</c>: passed as three arguments, in this order: the buffer, the first element (int32), the number of elements (int32).</summary>
    View,

    /// <summary>A number passed by value.</summary>
    Scalar,

    /// <summary>A <c>SpecializedValue&lt;T&gt;</c>: not an argument but a constant of the program, defined when it is built under the parameter's name in capitals with the kernel's name before it.</summary>
    Specialized,
}

/// <summary>One parameter of a device kernel, in the order of its C# declaration.</summary>
/// <param name="Name">Its name in C#.</param>
/// <param name="Kind">How the host passes it.</param>
/// <param name="ElementType">The type of an element of a view, or of the number itself.</param>
public sealed record GpuKernelParameter(string Name, GpuParameterKind Kind, ElementType ElementType);

/// <summary>A kernel written once in C#, as the translator left it in the languages that drivers compile.</summary>
/// <param name="Name">Its entry point, the same in both languages.</param>
/// <param name="OpenCl">Complete OpenCL C 1.2 source, without use of a generic address space.</param>
/// <param name="Cuda">Complete CUDA C++ source for NVRTC, with an <c>extern "C"</c> entry point.</param>
/// <param name="Parameters">Its parameters.</param>
public sealed record GpuKernelSource(string Name, string OpenCl, string Cuda, IReadOnlyList<GpuKernelParameter> Parameters);
