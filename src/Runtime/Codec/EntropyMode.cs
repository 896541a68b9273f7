namespace CoInference.Runtime.Codec;

/// <summary>How the symbols of a payload are written. The values are those on the wire.</summary>
public enum EntropyMode : byte
{
    /// <summary>Little-endian float32 values of the kept channels, not quantized.</summary>
    Raw = 0,

    /// <summary>Quantized symbols, each in the codec's number of bits.</summary>
    Packed = 1,

    /// <summary>Quantized symbols, entropy coded with the codec's static tables.</summary>
    Coded = 2,
}
