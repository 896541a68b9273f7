namespace CoInference.Kernels.Tensors;

/// <summary>A brain floating-point number: the upper 16 bits of an IEEE 754 binary32. A storage type only.</summary>
/// <param name="Bits">The sign bit, eight exponent bits and seven fraction bits.</param>
public readonly record struct BFloat16(ushort Bits)
{
    /// <summary>Rounds to the nearest value, ties to even; NaN stays NaN.</summary>
    public static explicit operator BFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value)) return new BFloat16((ushort)((bits >> 16) | 0x40));
        return new BFloat16((ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
    }

    /// <summary>Widens exactly.</summary>
    public static implicit operator float(BFloat16 value) => BitConverter.UInt32BitsToSingle((uint)value.Bits << 16);
}
