using System.Runtime.InteropServices;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>Conversion between element types.</summary>
public static class Casting
{
    /// <summary>
    /// Converts every element. Floating-point values round to nearest between floating-point types, and truncate toward
    /// zero and saturate on the way to an integer (NaN gives 0). Integers wrap around on the way to a narrower integer.
    /// Anything but 0 is true.
    /// </summary>
    /// <param name="tensor">The source; returned as it is when it already has the type.</param>
    /// <param name="type">Target element type.</param>
    public static Tensor Cast(Tensor tensor, ElementType type)
    {
        if (tensor.Type == type) return tensor;
        if (tensor.Type.IsInteger() && type.IsInteger()) return CastIntegers(tensor, type);
        return Doubles.Store(type, tensor.Shape, Doubles.Of(tensor));
    }

    private static Tensor CastIntegers(Tensor tensor, ElementType type)
    {
        // Two's complement: the low bytes of the 64-bit value are the wrapped value, whatever the signs.
        long[] wide = tensor.Type switch
        {
            ElementType.Int8 => Widen<sbyte>(tensor, value => value),
            ElementType.UInt8 => Widen<byte>(tensor, value => value),
            ElementType.Int16 => Widen<short>(tensor, value => value),
            ElementType.UInt16 => Widen<ushort>(tensor, value => value),
            ElementType.Int32 => Widen<int>(tensor, value => value),
            ElementType.UInt32 => Widen<uint>(tensor, value => value),
            ElementType.Int64 => Widen<long>(tensor, value => value),
            _ => Widen<ulong>(tensor, value => unchecked((long)value)),
        };
        var result = new Tensor(type, tensor.Shape);
        switch (type.SizeInBytes())
        {
            case 1:
                for (int i = 0; i < wide.Length; i++) result.Bytes[i] = unchecked((byte)wide[i]);
                break;
            case 2:
                Span<ushort> shorts = MemoryMarshal.Cast<byte, ushort>(result.Bytes);
                for (int i = 0; i < wide.Length; i++) shorts[i] = unchecked((ushort)wide[i]);
                break;
            case 4:
                Span<uint> ints = MemoryMarshal.Cast<byte, uint>(result.Bytes);
                for (int i = 0; i < wide.Length; i++) ints[i] = unchecked((uint)wide[i]);
                break;
            default:
                wide.CopyTo(MemoryMarshal.Cast<byte, long>(result.Bytes));
                break;
        }

        return result;
    }

    private static long[] Widen<T>(Tensor tensor, Func<T, long> widen)
        where T : unmanaged
    {
        ReadOnlySpan<T> values = tensor.Values<T>();
        var wide = new long[values.Length];
        for (int i = 0; i < wide.Length; i++) wide[i] = widen(values[i]);
        return wide;
    }
}
