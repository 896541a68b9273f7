using CoInference.Runtime.Energy;

namespace CoInference.Runtime.Tests.Energy;

public sealed class PowercapMeterTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("coinference-powercap-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Packages_and_memory_are_added_parts_of_a_package_and_the_platform_are_not()
    {
        Zone("intel-rapl:0", "package-0", 1_000_000);
        Zone("intel-rapl:0:0", "core", 500_000);
        Zone("intel-rapl:0:1", "dram", 300_000);
        Zone("intel-rapl:1", "psys", 9_000_000);
        using PowercapMeter meter = PowercapMeter.TryOpen(_root)!;
        Assert.Equal("powercap (package-0, dram)", meter.Name);
        Assert.Equal(0, meter.ReadJoules());
        Zone("intel-rapl:0", "package-0", 3_000_000);
        Zone("intel-rapl:0:1", "dram", 800_000);
        Zone("intel-rapl:0:0", "core", 2_500_000);
        Assert.Equal(2.5, meter.ReadJoules(), 9);
    }

    [Fact]
    public void A_counter_that_starts_over_goes_on_counting()
    {
        Zone("intel-rapl:0", "package-0", 9_999_000);
        using PowercapMeter meter = PowercapMeter.TryOpen(_root)!;
        Zone("intel-rapl:0", "package-0", 1_000);
        Assert.Equal(0.002, meter.ReadJoules(), 9);
    }

    [Fact]
    public void Where_there_is_no_counter_there_is_no_meter()
    {
        Assert.Null(PowercapMeter.TryOpen(Path.Combine(_root, "absent")));
        Assert.Null(PowercapMeter.TryOpen(_root));
        Assert.Null(NvmlMeter.TryOpen("libcoinference-absent.so", 0));
    }

    // Written in place: the meter keeps the file open, as it does the kernel's.
    private void Zone(string folder, string name, long microjoules)
    {
        string path = Path.Combine(_root, folder);
        Directory.CreateDirectory(path);
        File.WriteAllText(Path.Combine(path, "name"), name + "\n");
        File.WriteAllText(Path.Combine(path, "max_energy_range_uj"), "10000000\n");
        File.WriteAllText(Path.Combine(path, "energy_uj"), microjoules + "\n");
    }
}
