using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>
/// Reads tensors of any element type as doubles and stores doubles in any element type. The reference kernels compute
/// in double so that one body serves every type; 64-bit integers above 2^53 lose precision and have paths of their own
/// where that matters.
/// </summary>
internal static class Doubles
{
    public static double[] Of(Tensor tensor)
    {
        var result = new double[tensor.Count];
        switch (tensor.Type)
        {
            case ElementType.Float32: Read<float>(value => value); break;
            case ElementType.Float64: tensor.Values<double>().CopyTo(result); break;
            case ElementType.Float16: Read<Half>(value => (double)value); break;
            case ElementType.BFloat16: Read<BFloat16>(value => (float)value); break;
            case ElementType.Int8: Read<sbyte>(value => value); break;
            case ElementType.UInt8: Read<byte>(value => value); break;
            case ElementType.Int16: Read<short>(value => value); break;
            case ElementType.UInt16: Read<ushort>(value => value); break;
            case ElementType.Int32: Read<int>(value => value); break;
            case ElementType.UInt32: Read<uint>(value => value); break;
            case ElementType.Int64: Read<long>(value => value); break;
            case ElementType.UInt64: Read<ulong>(value => value); break;
            default: Read<bool>(value => value ? 1 : 0); break;
        }

        return result;

        void Read<T>(Func<T, double> widen)
            where T : unmanaged
        {
            ReadOnlySpan<T> values = tensor.Values<T>();
            for (int i = 0; i < values.Length; i++) result[i] = widen(values[i]);
        }
    }

    /// <summary>Rounds to the element type: floats to nearest, integers toward zero with saturation, booleans by "not zero".</summary>
    public static Tensor Store(ElementType type, TensorShape shape, ReadOnlySpan<double> values)
    {
        var tensor = new Tensor(type, shape);
        switch (type)
        {
            case ElementType.Float32: Write(tensor.Values<float>(), values, value => (float)value); break;
            case ElementType.Float64: values.CopyTo(tensor.Values<double>()); break;
            case ElementType.Float16: Write(tensor.Values<Half>(), values, value => (Half)value); break;
            case ElementType.BFloat16: Write(tensor.Values<BFloat16>(), values, value => (BFloat16)(float)value); break;
            case ElementType.Int8: Write(tensor.Values<sbyte>(), values, sbyte.CreateSaturating); break;
            case ElementType.UInt8: Write(tensor.Values<byte>(), values, byte.CreateSaturating); break;
            case ElementType.Int16: Write(tensor.Values<short>(), values, short.CreateSaturating); break;
            case ElementType.UInt16: Write(tensor.Values<ushort>(), values, ushort.CreateSaturating); break;
            case ElementType.Int32: Write(tensor.Values<int>(), values, int.CreateSaturating); break;
            case ElementType.UInt32: Write(tensor.Values<uint>(), values, uint.CreateSaturating); break;
            case ElementType.Int64: Write(tensor.Values<long>(), values, long.CreateSaturating); break;
            case ElementType.UInt64: Write(tensor.Values<ulong>(), values, ulong.CreateSaturating); break;
            default: Write(tensor.Values<bool>(), values, value => value != 0); break;
        }

        return tensor;
    }

    private static void Write<T>(Span<T> target, ReadOnlySpan<double> values, Func<double, T> narrow)
    {
        for (int i = 0; i < target.Length; i++) target[i] = narrow(values[i]);
    }
}
