namespace CoInference.Runtime.Data;

/// <summary>
/// CIFAR-10 in its binary layout: records of one label byte and 3,072 pixel bytes (32 x 32, planes R, G, B).
/// </summary>
/// <remarks>
/// Training files of a folder are <c>data_batch_*.bin</c> and <c>train*.bin</c>, test files are <c>test*.bin</c>, each
/// plain or with <c>.gz</c> appended, in ordinal order of their names.
/// </remarks>
internal sealed class Cifar10Source(string spec, string folder) : DataSource
{
    private const int Side = 32, Channels = 3, Classes = 10;
    private const int ImageBytes = Channels * Side * Side;
    private const int RecordBytes = 1 + ImageBytes;

    public override string Spec => spec;

    protected override ImageSet Read(Split split, int limit)
    {
        DataFiles.RequireFolder(folder);
        bool test = split == Split.Test;
        List<string> files = Directory.EnumerateFiles(folder).Where(path => Belongs(Path.GetFileName(path), test)).Order(StringComparer.Ordinal).ToList();
        if (files.Count == 0)
        {
            throw new InvalidDataException($"Data folder '{folder}' holds no CIFAR-10 {(test ? "test files (test*.bin[.gz])"
                : "training files (data_batch_*.bin[.gz] or train*.bin[.gz])")}.");
        }

        List<byte[]> batches = files.ConvertAll(ReadRecords);
        int total = batches.Sum(batch => batch.Length / RecordBytes);
        int[] chosen = test ? Enumerable.Range(0, total).ToArray() : SplitCarver.Carve(total, split);
        if (chosen.Length > limit) chosen = chosen[..limit];

        var pixels = new byte[(long)chosen.Length * ImageBytes];
        var labels = new int[chosen.Length];
        for (int i = 0; i < chosen.Length; i++)
        {
            int record = chosen[i], batch = 0;
            while (record >= batches[batch].Length / RecordBytes) record -= batches[batch++].Length / RecordBytes;
            ReadOnlySpan<byte> bytes = batches[batch].AsSpan(record * RecordBytes, RecordBytes);
            labels[i] = bytes[0];
            bytes[1..].CopyTo(pixels.AsSpan(i * ImageBytes));
        }

        return new ImageSet(Channels, Side, Side, Classes, pixels, labels);
    }

    private static bool Belongs(string name, bool test)
    {
        string plain = name.EndsWith(".gz", StringComparison.Ordinal) ? name[..^3] : name;
        if (!plain.EndsWith(".bin", StringComparison.Ordinal)) return false;
        return test ? plain.StartsWith("test", StringComparison.Ordinal)
            : plain.StartsWith("data_batch_", StringComparison.Ordinal) || plain.StartsWith("train", StringComparison.Ordinal);
    }

    private static byte[] ReadRecords(string path)
    {
        byte[] bytes = DataFiles.Read(path);
        if (bytes.Length == 0 || bytes.Length % RecordBytes != 0)
            throw new InvalidDataException($"'{path}' holds {bytes.Length} bytes, which is not a whole number of CIFAR-10 records of {RecordBytes} bytes.");
        for (int record = 0; record * RecordBytes < bytes.Length; record++)
        {
            byte label = bytes[record * RecordBytes];
            if (label >= Classes) throw new InvalidDataException($"'{path}' record {record} has label {label}; CIFAR-10 labels are 0 to {Classes - 1}.");
        }

        return bytes;
    }
}
