namespace CoInference.Kernels.Gpu;

/// <summary>Stands for <see cref="System.BitConverter"/> in kernels: ILGPU 1.5.3 does not know that of .NET 10.</summary>
internal static class BitConverter
{
    /// <summary>The bits of a float.</summary>
    public static int SingleToInt32Bits(float value) => (int)Interop.FloatAsInt(value);

    /// <summary>The bits of a float.</summary>
    public static uint SingleToUInt32Bits(float value) => Interop.FloatAsInt(value);

    /// <summary>The float with given bits.</summary>
    public static float Int32BitsToSingle(int bits) => Interop.IntAsFloat((uint)bits);

    /// <summary>The float with given bits.</summary>
    public static float UInt32BitsToSingle(uint bits) => Interop.IntAsFloat(bits);
}
