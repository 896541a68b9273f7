using System.Buffers.Binary;
using System.Numerics;

namespace CoInference.Kernels.Simd.Codec;

/// <summary>
/// CRC-32C (Castagnoli polynomial 0x1EDC6F41, reflected, initial value and final XOR 0xFFFFFFFF), as in iSCSI, RFC 3720.
/// </summary>
public static class Crc32C
{
    /// <summary>The checksum of <paramref name="data"/>; 0 for no data.</summary>
    public static uint Compute(ReadOnlySpan<byte> data) => ~Append(~0u, data);

    /// <summary>The checksum of two pieces as if they were one.</summary>
    public static uint Compute(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second) => ~Append(Append(~0u, first), second);

    // BitOperations maps to the SSE4.2 or ARMv8 instruction where there is one and to a table with the same result elsewhere.
    private static uint Append(uint state, ReadOnlySpan<byte> data)
    {
        while (data.Length >= sizeof(ulong))
        {
            state = BitOperations.Crc32C(state, BinaryPrimitives.ReadUInt64LittleEndian(data));
            data = data[sizeof(ulong)..];
        }

        foreach (byte value in data) state = BitOperations.Crc32C(state, value);
        return state;
    }
}
