using CoInference.Runtime.Conditions;

namespace CoInference.Runtime.Energy;

/// <summary>
/// The processor's own energy counters (Intel and AMD RAPL) as Linux's powercap interface shows them: all packages, and their memory
/// where it is counted beside them. Reading them usually takes the rights of root.
/// </summary>
public sealed class PowercapMeter : IEnergyMeter
{
    private const double JoulesPerMicrojoule = 1e-6;

    private readonly Zone[] _zones;

    private PowercapMeter(Zone[] zones) => _zones = zones;

    /// <inheritdoc/>
    public string Name => $"powercap ({string.Join(", ", _zones.Select(zone => zone.Name))})";

    /// <inheritdoc/>
    public TimeSpan Resolution { get; } = TimeSpan.FromMilliseconds(1);

    /// <summary>Opens the meter; null where the kernel shows no counter, or not to this user.</summary>
    /// <param name="root">Where the kernel shows them.</param>
    public static PowercapMeter? TryOpen(string root = "/sys/class/powercap")
    {
        string[] folders;
        try
        {
            // A zone is named intel-rapl:PACKAGE, a part of it intel-rapl:PACKAGE:PART; AMD's have the same names.
            folders = Directory.Exists(root) ? [.. Directory.EnumerateFileSystemEntries(root, "intel-rapl:*").Order(StringComparer.Ordinal)] : [];
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        Zone[] zones = [.. folders.Select(Zone.TryOpen).OfType<Zone>()];
        // Of the parts only memory is not in its package's sum; "psys" is the whole platform, packages included.
        foreach (Zone zone in zones.Where(zone => !IsCounted(zone))) zone.Dispose();
        zones = [.. zones.Where(IsCounted)];
        return zones.Length > 0 ? new PowercapMeter(zones) : null;
    }

    /// <inheritdoc/>
    public double ReadJoules()
    {
        double joules = 0;
        foreach (Zone zone in _zones) joules += zone.ReadMicrojoules() * JoulesPerMicrojoule;
        return joules;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Zone zone in _zones) zone.Dispose();
    }

    private static bool IsCounted(Zone zone) => zone.Name.StartsWith("package", StringComparison.Ordinal) || zone.Name == "dram";

    private sealed class Zone : IDisposable
    {
        private readonly PolledFile _energy;
        private readonly double _range;
        private double _last;
        private double _sum;

        private Zone(string name, PolledFile energy, double range) => (Name, _energy, _range, _last) = (name, energy, range, energy.ReadNumber());

        public string Name { get; }

        public static Zone? TryOpen(string folder)
        {
            using PolledFile? range = PolledFile.TryOpen(Path.Combine(folder, "max_energy_range_uj"), 32);
            if (range is null || PolledFile.TryOpen(Path.Combine(folder, "energy_uj"), 32) is not { } energy) return null;
            try
            {
                return new Zone(File.ReadAllText(Path.Combine(folder, "name")).Trim(), energy, range.ReadNumber());
            }
            catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
            {
                energy.Dispose();
                return null;
            }
        }

        public double ReadMicrojoules()
        {
            double now = _energy.ReadNumber(), step = now - _last;
            // The counter starts over at its range.
            _sum += step >= 0 ? step : step + _range;
            _last = now;
            return _sum;
        }

        public void Dispose() => _energy.Dispose();
    }
}
