using Microsoft.CodeAnalysis;

namespace CoInference.Kernels.Translator.Targets;

/// <summary>CUDA C++ as NVRTC compiles it, without any header.</summary>
internal sealed class CudaSyntax : TargetSyntax
{
    // With a suffix, and so the functions of float: CUDA's overloads need headers that NVRTC does not have by default.
    private static readonly Dictionary<string, string> Floats = new()
    {
        ["Abs"] = "fabsf", ["Min"] = "min_nan", ["Max"] = "max_nan", ["Floor"] = "floorf", ["Ceiling"] = "ceilf", ["Truncate"] = "truncf",
        ["Round"] = "rintf", ["Sqrt"] = "sqrtf", ["Exp"] = "expf", ["Log"] = "logf", ["Pow"] = "powf", ["Tanh"] = "tanhf", ["Sin"] = "sinf",
        ["Cos"] = "cosf", ["FusedMultiplyAdd"] = "fmaf", ["IsNaN"] = "is_nan",
    };

    private static readonly Dictionary<string, string> Atomics = new()
    {
        ["Add"] = "atomicAdd", ["Min"] = "atomicMin", ["Max"] = "atomicMax", ["And"] = "atomicAnd", ["Or"] = "atomicOr",
        ["Xor"] = "atomicXor", ["Exchange"] = "atomicExch", ["CompareExchange"] = "atomicCAS",
    };

    public override string Name => "Cuda";

    public override string WarpPrelude => "";

    public override string Warp(string name, string[] arguments) => name switch
    {
        "WarpSize" => "warpSize",
        "LaneIdx" => "(int)((threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % warpSize)",
        "Shuffle" => $"__shfl_sync(0xffffffff, {arguments[0]}, {arguments[1]})",
        "ShuffleDown" => $"__shfl_down_sync(0xffffffff, {arguments[0]}, {arguments[1]})",
        _ => $"__shfl_xor_sync(0xffffffff, {arguments[0]}, {arguments[1]})",
    };

    public override string Prelude => """
        typedef unsigned char uchar;
        typedef unsigned short ushort;
        typedef unsigned int uint;

        static __device__ __forceinline__ bool is_nan(float x) { return x != x; }
        static __device__ __forceinline__ float min_nan(float x, float y) { return x != x || x < y ? x : y; }
        static __device__ __forceinline__ float max_nan(float x, float y) { return x != x || x > y ? x : y; }

        """;

    public override string Restrict => "__restrict__";

    // One block whose size the launch gives: declared arrays end at 48 KiB.
    public override IEnumerable<string> SharedArray(string type, string name, string extent, bool isFirst)
    {
        if (isFirst)
        {
            yield return "extern __shared__ uint4 shared_memory[];";
            yield return "uchar* shared_next = (uchar*)shared_memory;";
        }

        yield return $"{type}* const {name} = ({type}*)shared_next;";
        yield return $"shared_next += (sizeof({type}) * ({extent}) + 15) / 16 * 16;";
    }

    public override string Barrier => "__syncthreads()";

    public override string Infinity => "__int_as_float(0x7f800000)";

    // The bits of float.NaN in C#, sign included.
    public override string NaN => "__int_as_float(0xffc00000)";

    public override string LongSuffix => "LL";

    public override string? Number(SpecialType type) => type switch
    {
        SpecialType.System_Boolean => "bool",
        SpecialType.System_SByte => "signed char",
        SpecialType.System_Byte => "uchar",
        SpecialType.System_Int16 => "short",
        SpecialType.System_UInt16 => "ushort",
        SpecialType.System_Int32 => "int",
        SpecialType.System_UInt32 => "uint",
        SpecialType.System_Int64 => "long long",
        SpecialType.System_UInt64 => "unsigned long long",
        SpecialType.System_Single => "float",
        _ => null,
    };

    public override string Space(AddressSpace space) => "";

    public override string KernelHead(string name, KernelOptions options)
    {
        int threads = options.Group.X > 0 ? options.Group.X * options.Group.Y * options.Group.Z : options.MaxThreads;
        string bounds = threads == 0 ? "" : options.MinGroups == 0 ? $"__launch_bounds__({threads}) " : $"__launch_bounds__({threads}, {options.MinGroups}) ";
        return $"extern \"C\" __global__ void {bounds}{name}";
    }

    public override string FunctionHead(string result, string name) => $"static __device__ __forceinline__ {result} {name}";

    public override string ThreadIndex(string subject, string member)
    {
        string variable = (subject, member.Substring(0, 3)) switch
        {
            ("Grid", "Idx") => "blockIdx",
            ("Grid", _) => "gridDim",
            (_, "Idx") => "threadIdx",
            _ => "blockDim",
        };
        return $"(int){variable}.{char.ToLowerInvariant(member[3])}";
    }

    public override string? Function(string type, string name, bool isFloat, string[] arguments)
    {
        string list = string.Join(", ", arguments);
        if (type == "BitConverter")
        {
            return name switch
            {
                "SingleToInt32Bits" => $"__float_as_int({list})",
                "SingleToUInt32Bits" => $"__float_as_uint({list})",
                "Int32BitsToSingle" => $"__int_as_float({list})",
                "UInt32BitsToSingle" => $"__uint_as_float({list})",
                _ => null,
            };
        }

        if (isFloat) return Floats.TryGetValue(name, out string? known) ? $"{known}({list})" : null;
        return name switch
        {
            "Min" => $"min({list})",
            "Max" => $"max({list})",
            "Abs" => $"abs({list})",
            _ => null,
        };
    }

    public override string? Atomic(string name, SpecialType type, AddressSpace space, string address, string[] arguments)
    {
        if (space == AddressSpace.Private || !Atomics.TryGetValue(name, out string? function)) return null;
        bool supported = type is SpecialType.System_Int32 or SpecialType.System_UInt32 || (type == SpecialType.System_Single && name is "Add" or "Exchange");
        return supported ? $"{function}({address}, {string.Join(", ", arguments)})" : null;
    }

    public override string? Intrinsic(string type, string name, string[] arguments, AddressSpace space) => (type, name) switch
    {
        ("Float4", "Load") => $"*(const float4*)({arguments[0]} + {arguments[1]})",
        ("Float4", "Store") => $"*(float4*)({arguments[0]} + {arguments[1]}) = {arguments[2]}",
        _ => null,
    };
}
