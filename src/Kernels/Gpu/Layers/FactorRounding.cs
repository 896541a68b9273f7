namespace CoInference.Kernels.Gpu.Layers;

/// <summary>What a factor is before a product of some precision, by the definition of the formats: the oracle for the kernels that round.</summary>
public static class FactorRounding
{
    /// <summary>The nearest number of a precision: ties away from zero for tf32, to even for the others; beyond the largest, infinity.</summary>
    /// <param name="value">A number.</param>
    /// <param name="precision">The precision.</param>
    public static float Round(float value, ProductPrecision precision)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return precision switch
        {
            ProductPrecision.Tf32 => BitConverter.UInt32BitsToSingle((bits + 0x1000u) & 0xFFFFE000u),
            ProductPrecision.BFloat16 => BitConverter.UInt32BitsToSingle((bits + 0x7FFFu + ((bits >> 16) & 1u)) & 0xFFFF0000u),
            ProductPrecision.Float16 => (float)(Half)value,
            _ => value,
        };
    }
}
