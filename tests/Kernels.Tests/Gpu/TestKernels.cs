using CoInference.Kernels.Gpu;

namespace CoInference.Kernels.Tests.Gpu;

/// <summary>Small kernels written in the languages of the devices, for what no kernel of the library does.</summary>
internal static class TestKernels
{
    /// <summary>values[i] += amount, and 1000 times the specialized value.</summary>
    public static KernelSource Add { get; } = Source(
        "Test_Add",
        [new("values", KernelParameterKind.View), new("amount", KernelParameterKind.Scalar), new("thousands", KernelParameterKind.Specialized)],
        "__kernel void Test_Add(__global int* b, const int o, const int n, const int amount) { int i = (int)get_global_id(0); if (i < n) b[o + i] += amount + 1000 * SPECIALIZED_thousands; }",
        "extern \"C\" __global__ void Test_Add(int* b, const int o, const int n, const int amount) { int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) b[o + i] += amount + 1000 * SPECIALIZED_thousands; }");

    /// <summary>Turns the order of values around through shared memory, all of them in one group.</summary>
    public static KernelSource Reverse { get; } = Source(
        "Test_Reverse",
        [new("values", KernelParameterKind.View), new("count", KernelParameterKind.Specialized)],
        "__kernel void Test_Reverse(__global int* b, const int o, const int n) { __local int s[SPECIALIZED_count]; for (int i = get_local_id(0); i < n; i += get_local_size(0)) s[n - 1 - i] = b[o + i]; barrier(CLK_LOCAL_MEM_FENCE); for (int i = get_local_id(0); i < n; i += get_local_size(0)) b[o + i] = s[i]; }",
        "extern \"C\" __global__ void Test_Reverse(int* b, const int o, const int n) { extern __shared__ uint4 shared_memory[]; int* s = (int*)shared_memory; for (int i = threadIdx.x; i < n; i += blockDim.x) s[n - 1 - i] = b[o + i]; __syncthreads(); for (int i = threadIdx.x; i < n; i += blockDim.x) b[o + i] = s[i]; }",
        specialized => 4L * specialized[0]);

    /// <summary>Does not compile in any language.</summary>
    public static KernelSource Broken { get; } = Source(
        "Test_Broken", [new("values", KernelParameterKind.View)],
        "__kernel void Test_Broken(__global int* b, const int o, const int n) { nonsense; }",
        "extern \"C\" __global__ void Test_Broken(int* b, const int o, const int n) { nonsense; }");

    /// <summary>Exchanges values within warps.</summary>
    public static KernelSource Warps { get; } = Source(
        "Test_Warps", [new("values", KernelParameterKind.View)],
        "__kernel void Test_Warps(__global int* b, const int o, const int n) { int i = (int)get_global_id(0); b[o + i] = sub_group_shuffle_xor(b[o + i], 1u); }",
        "extern \"C\" __global__ void Test_Warps(int* b, const int o, const int n) { int i = blockIdx.x * blockDim.x + threadIdx.x; b[o + i] = __shfl_xor_sync(0xffffffff, b[o + i], 1); }",
        usesWarps: true);

    private static KernelSource Source(string name, KernelParameter[] parameters, string openCl, string cuda, SharedMemorySize? sharedBytes = null, bool usesWarps = false) =>
        new(name, "Test", name, parameters, (0, 0, 0), sharedBytes ?? (_ => 0), usesWarps, openCl, cuda);
}
