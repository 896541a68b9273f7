using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Profiling;

/// <summary>A latency table as it lies in a file.</summary>
internal sealed record LatencyTableFile
{
    public string Schema { get; init; } = LatencyTable.SchemaName;

    public required HostInfo Host { get; init; }

    public required string Fingerprint { get; init; }

    public required IReadOnlyList<NetworkCalibration> Calibrations { get; init; }

    public required IReadOnlyList<LatencyEntry> Entries { get; init; }

    public static LatencyTableFile Read(string path)
    {
        LatencyTableFile file = SchemaFile.Read(path, LatencyTable.SchemaName, ProfilingJson.Default.LatencyTableFile);
        foreach (LatencyEntry entry in file.Entries)
        {
            if (entry.Key.Length == 0 || !IsTime(entry.Timing.MedianUs) || entry.Timing.SamplesUs.Count == 0 || !entry.Timing.SamplesUs.All(IsTime))
                throw new InvalidDataException($"{path}: entry '{entry.Key}' has no valid time, expected positive microseconds.");
        }

        foreach (NetworkCalibration calibration in file.Calibrations)
        {
            if (!IsTime(calibration.Factor)) throw new InvalidDataException($"{path}: the calibration of '{calibration.Network}' has factor {calibration.Factor}, expected a positive number.");
        }

        return file;
    }

    public static void Write(string path, LatencyTableFile file) => SchemaFile.Write(path, file, ProfilingJson.Default.LatencyTableFile);

    private static bool IsTime(double value) => double.IsFinite(value) && value > 0;
}
