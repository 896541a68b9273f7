using System.Text;
using CoInference.Kernels.Simd.Codec;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Training;

/// <summary>
/// A run on disk: settings, position and every array that changes, with a checksum. Written under a temporary name and
/// renamed, so that a run that is killed at any moment leaves the last complete one.
/// </summary>
internal sealed class TrainingCheckpoint
{
    private const ulong Magic = 0x31_4B_50_43_4E_49_41_52; // "RAINCPK1" in memory order
    private const int MaxSettings = 1 << 20;

    public required string Settings { get; init; }

    public int Epoch { get; set; }

    public int Step { get; set; }

    public double LossSum { get; set; }

    public int Correct { get; set; }

    public long OptimizerSteps { get; set; }

    /// <summary>Writes position and arrays.</summary>
    /// <exception cref="IOException">The file cannot be written; an earlier one stays as it was.</exception>
    public void Save(string path, IReadOnlyList<float[]> arrays)
    {
        using var content = new MemoryStream();
        using var writer = new BinaryWriter(content, Encoding.UTF8);
        writer.Write(Magic);
        byte[] settings = Encoding.UTF8.GetBytes(Settings);
        writer.Write(settings.Length);
        writer.Write(settings);
        writer.Write(Epoch);
        writer.Write(Step);
        writer.Write(LossSum);
        writer.Write(Correct);
        writer.Write(OptimizerSteps);
        writer.Write(arrays.Count);
        foreach (float[] array in arrays)
        {
            writer.Write(array.Length);
            foreach (float value in array) writer.Write(value);
        }

        writer.Write(Crc32C.Compute(content.GetBuffer().AsSpan(0, (int)content.Length)));
        writer.Flush();
        AtomicFile.WriteBytes(path, content.GetBuffer().AsMemory(0, (int)content.Length));
    }

    /// <summary>Reads a checkpoint into arrays of the very same lengths.</summary>
    /// <exception cref="InvalidDataException">The file is no checkpoint, is damaged, or belongs to another run; the arrays are unchanged.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static TrainingCheckpoint Load(string path, string settings, IReadOnlyList<float[]> arrays)
    {
        byte[] bytes = File.ReadAllBytes(path);
        if (bytes.Length < sizeof(ulong) + sizeof(uint) || BitConverter.ToUInt64(bytes) != Magic)
            throw new InvalidDataException($"{path}: not a training checkpoint.");
        if (Crc32C.Compute(bytes.AsSpan(0, bytes.Length - sizeof(uint))) != BitConverter.ToUInt32(bytes, bytes.Length - sizeof(uint)))
            throw new InvalidDataException($"{path}: damaged: its checksum differs.");
        using var reader = new BinaryReader(new MemoryStream(bytes, sizeof(ulong), bytes.Length - sizeof(ulong) - sizeof(uint)));
        try
        {
            int length = reader.ReadInt32();
            if (length is < 0 or > MaxSettings) throw new InvalidDataException($"{path}: settings of {length} bytes, expected at most {MaxSettings}.");
            string stored = Encoding.UTF8.GetString(reader.ReadBytes(length));
            if (stored != settings) throw new InvalidDataException($"{path}: holds another run: {Difference(stored, settings)}. Choose another file, or start afresh.");
            var checkpoint = new TrainingCheckpoint
            {
                Settings = stored,
                Epoch = reader.ReadInt32(),
                Step = reader.ReadInt32(),
                LossSum = reader.ReadDouble(),
                Correct = reader.ReadInt32(),
                OptimizerSteps = reader.ReadInt64(),
            };
            long expected = sizeof(int) + arrays.Sum(array => sizeof(int) + ((long)sizeof(float) * array.Length));
            if (reader.BaseStream.Length - reader.BaseStream.Position != expected || reader.ReadInt32() != arrays.Count)
                throw new InvalidDataException($"{path}: its arrays are not those of this network.");
            var read = new float[arrays.Count][];
            for (int i = 0; i < read.Length; i++)
            {
                if (reader.ReadInt32() != arrays[i].Length) throw new InvalidDataException($"{path}: array {i} is not of {arrays[i].Length} values.");
                read[i] = new float[arrays[i].Length];
                for (int k = 0; k < read[i].Length; k++) read[i][k] = reader.ReadSingle();
            }

            for (int i = 0; i < read.Length; i++) read[i].CopyTo(arrays[i], 0);
            return checkpoint;
        }
        catch (EndOfStreamException failure)
        {
            throw new InvalidDataException($"{path}: ends too early.", failure);
        }
    }

    private static string Difference(string stored, string wanted)
    {
        string[] there = stored.Split('\n'), here = wanted.Split('\n');
        for (int i = 0; i < Math.Min(there.Length, here.Length); i++)
        {
            if (there[i] != here[i]) return $"'{there[i]}' there and '{here[i]}' here";
        }

        return "it has other settings";
    }
}
