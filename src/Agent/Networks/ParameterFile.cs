using System.Runtime.InteropServices;

namespace CoInference.Agent.Networks;

/// <summary>A vector of floats in a binary file: its length, then its values as the machine holds them.</summary>
internal static class ParameterFile
{
    public static void Write(BinaryWriter writer, ReadOnlySpan<float> values)
    {
        writer.Write(values.Length);
        writer.Write(MemoryMarshal.AsBytes(values));
    }

    /// <exception cref="InvalidDataException">The stored vector has another length.</exception>
    public static void Read(BinaryReader reader, Span<float> values)
    {
        int length = reader.ReadInt32();
        if (length != values.Length) throw new InvalidDataException($"Stored agent state holds {length} values where this agent has {values.Length}.");
        reader.BaseStream.ReadExactly(MemoryMarshal.AsBytes(values));
    }
}
