using Microsoft.CodeAnalysis;

namespace CoInference.Kernels.Translator.Targets;

/// <summary>OpenCL C 1.2, without a generic address space.</summary>
internal sealed class OpenClSyntax : TargetSyntax
{
    private static readonly Dictionary<string, string> Floats = new()
    {
        ["Abs"] = "fabs", ["Min"] = "min_nan", ["Max"] = "max_nan", ["Floor"] = "floor", ["Ceiling"] = "ceil", ["Truncate"] = "trunc",
        ["Round"] = "rint", ["Sqrt"] = "sqrt", ["Exp"] = "exp", ["Log"] = "log", ["Pow"] = "pow", ["Tanh"] = "tanh", ["Sin"] = "sin",
        ["Cos"] = "cos", ["FusedMultiplyAdd"] = "fma", ["IsNaN"] = "isnan",
    };

    private static readonly Dictionary<string, string> Atomics = new()
    {
        ["Add"] = "atomic_add", ["Min"] = "atomic_min", ["Max"] = "atomic_max", ["And"] = "atomic_and", ["Or"] = "atomic_or",
        ["Xor"] = "atomic_xor", ["Exchange"] = "atomic_xchg", ["CompareExchange"] = "atomic_cmpxchg",
    };

    public override string Name => "OpenCl";

    public override string WarpPrelude => """
        #pragma OPENCL EXTENSION cl_khr_subgroups : enable
        #pragma OPENCL EXTENSION cl_khr_subgroup_shuffle : enable
        #pragma OPENCL EXTENSION cl_khr_subgroup_shuffle_relative : enable

        """;

    public override string Warp(string name, string[] arguments) => name switch
    {
        "WarpSize" => "(int)get_max_sub_group_size()",
        "LaneIdx" => "(int)get_sub_group_local_id()",
        "Shuffle" => $"sub_group_shuffle({arguments[0]}, (uint)({arguments[1]}))",
        "ShuffleDown" => $"sub_group_shuffle_down({arguments[0]}, (uint)({arguments[1]}))",
        _ => $"sub_group_shuffle_xor({arguments[0]}, (uint)({arguments[1]}))",
    };

    // Sums and products are rounded one by one, as in C#: a kernel that wants them fused says so.
    public override string Prelude => """
        #pragma OPENCL FP_CONTRACT OFF

        float min_nan(float x, float y) { return x != x || x < y ? x : y; }
        float max_nan(float x, float y) { return x != x || x > y ? x : y; }

        float atomic_add_global_float(volatile __global float* target, float value)
        {
            uint seen = as_uint(*target), before;
            do { before = seen; seen = atomic_cmpxchg((volatile __global uint*)target, before, as_uint(as_float(before) + value)); } while (seen != before);
            return as_float(seen);
        }

        float atomic_add_local_float(volatile __local float* target, float value)
        {
            uint seen = as_uint(*target), before;
            do { before = seen; seen = atomic_cmpxchg((volatile __local uint*)target, before, as_uint(as_float(before) + value)); } while (seen != before);
            return as_float(seen);
        }

        """;

    public override string Restrict => "restrict";

    public override IEnumerable<string> SharedArray(string type, string name, string extent, bool isFirst) => [$"__local {type} {name}[{extent}] __attribute__((aligned(16)));"];

    public override string Barrier => "barrier(CLK_LOCAL_MEM_FENCE)";

    public override string Infinity => "INFINITY";

    // The bits of float.NaN in C#, sign included.
    public override string NaN => "as_float(0xFFC00000u)";

    public override string LongSuffix => "L";

    public override string? Number(SpecialType type) => type switch
    {
        SpecialType.System_Boolean => "bool",
        SpecialType.System_SByte => "char",
        SpecialType.System_Byte => "uchar",
        SpecialType.System_Int16 => "short",
        SpecialType.System_UInt16 => "ushort",
        SpecialType.System_Int32 => "int",
        SpecialType.System_UInt32 => "uint",
        SpecialType.System_Int64 => "long",
        SpecialType.System_UInt64 => "ulong",
        SpecialType.System_Single => "float",
        _ => null,
    };

    public override string Space(AddressSpace space) => space switch
    {
        AddressSpace.Global => "__global ",
        AddressSpace.Shared => "__local ",
        _ => "",
    };

    public override string KernelHead(string name, KernelOptions options) => options.Group is var (x, y, z) && x == 0
        ? $"__kernel void {name}"
        : $"__kernel __attribute__((reqd_work_group_size({x}, {y}, {z}))) void {name}";

    public override string FunctionHead(string result, string name) => $"{result} {name}";

    public override string ThreadIndex(string subject, string member)
    {
        int axis = member[3] - 'X';
        return (subject, member.Substring(0, 3)) switch
        {
            ("Grid", "Idx") => $"(int)get_group_id({axis})",
            ("Grid", _) => $"(int)get_num_groups({axis})",
            (_, "Idx") => $"(int)get_local_id({axis})",
            _ => $"(int)get_local_size({axis})",
        };
    }

    public override string? Function(string type, string name, bool isFloat, string[] arguments)
    {
        string list = string.Join(", ", arguments);
        if (type == "BitConverter")
        {
            return name switch
            {
                "SingleToInt32Bits" => $"as_int({list})",
                "SingleToUInt32Bits" => $"as_uint({list})",
                "Int32BitsToSingle" or "UInt32BitsToSingle" => $"as_float({list})",
                _ => null,
            };
        }

        if (isFloat) return Floats.TryGetValue(name, out string? known) ? $"{known}({list})" : null;
        return name switch
        {
            "Min" => $"min({list})",
            "Max" => $"max({list})",
            "Abs" => $"(int)abs({list})",
            _ => null,
        };
    }

    public override string? Atomic(string name, SpecialType type, AddressSpace space, string address, string[] arguments)
    {
        if (space == AddressSpace.Private || !Atomics.TryGetValue(name, out string? function)) return null;
        if (type == SpecialType.System_Single)
            return name == "Add" ? $"atomic_add_{(space == AddressSpace.Global ? "global" : "local")}_float({address}, {arguments[0]})" : null;
        if (type is not (SpecialType.System_Int32 or SpecialType.System_UInt32)) return null;
        return $"{function}({address}, {string.Join(", ", arguments)})";
    }

    public override string? Intrinsic(string type, string name, string[] arguments, AddressSpace space) => (type, name) switch
    {
        ("Float4", "Load") => $"vload4(0, {arguments[0]} + {arguments[1]})",
        ("Float4", "Store") => $"vstore4({arguments[2]}, 0, {arguments[0]} + {arguments[1]})",
        ("HalfFloat", "Load") => $"vload_half({arguments[1]}, (const {Space(space)}half*){arguments[0]})",
        ("HalfFloat", "Store") => $"vstore_half_rte({arguments[2]}, {arguments[1]}, ({Space(space)}half*){arguments[0]})",
        _ => null,
    };
}
