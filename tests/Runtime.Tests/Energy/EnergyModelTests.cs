using CoInference.Runtime.Energy;
using CoInference.Runtime.Targets;

namespace CoInference.Runtime.Tests.Energy;

public class EnergyModelTests
{
    private static readonly EnergyModel Model = new()
    {
        Device = "test",
        Sources = ["made up"],
        BaselineWatts = 2,
        Processors = [new ProcessorPower("cpu", 1, "f32", 1, 0), new ProcessorPower("cpu", 2, "", 1.5, 0), new ProcessorPower("opencl:0", 0, "", 5, 0.5)],
        Radio = [new RadioPower(-90, 2, 1), new RadioPower(-50, 1, 0.5)],
    };

    [Fact]
    public void Energy_is_power_times_seconds_of_each_part()
    {
        double joules = Model.Of(Target(TargetPlacement.Split, "opencl:0", 0)).Joules(0.1, 0.02, 0.2, 0.05, 0.5, -70);
        Assert.Equal((2 * 0.5) + (5 * 0.1) + (0.5 * 0.4) + (1 * 0.02) + (1.5 * 0.2) + (0.75 * 0.05), joules, 12);
    }

    [Theory]
    [InlineData(-100, 2)]
    [InlineData(-90, 2)]
    [InlineData(-80, 1.75)]
    [InlineData(-50, 1)]
    [InlineData(-20, 1)]
    [InlineData(double.NaN, 1)]
    public void Sending_power_is_linear_between_the_rows(double signal, double watts) => Assert.Equal(watts, Model.TransmitWatts(signal), 12);

    [Fact]
    public void The_first_row_that_fits_counts_and_a_missing_one_is_named()
    {
        Assert.Equal(1, Model.Of(Target(TargetPlacement.Device, "cpu", 1)).BusyWatts);
        Assert.Equal(1.5, Model.Of(Target(TargetPlacement.Device, "cpu", 2)).BusyWatts);
        Assert.Contains("cuda:0", Assert.Throws<InvalidDataException>(() => Model.Of(Target(TargetPlacement.Device, "cuda:0", 0))).Message);
    }

    [Fact]
    public void The_default_survives_the_file()
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            EnergyModel.Default.Save(path);
            EnergyModel copy = EnergyModel.Load(path);
            Assert.Equal(EnergyModel.Default.Processors, copy.Processors);
            Assert.Equal(EnergyModel.Default.Radio, copy.Radio);
            Assert.Equal(EnergyModel.Default.Sources, copy.Sources);
            Assert.Equal(EnergyModel.Default.BaselineWatts, copy.BaselineWatts);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData("\"baselineWatts\": 2.7", "\"baselineWatts\": -1", "baselineWatts")]
    [InlineData("\"signalDbm\": -80", "\"signalDbm\": -95", "radio")]
    [InlineData("\"busyWatts\": 0.9", "\"busyWatts\": 1e9", "processors")]
    [InlineData("\"baselineWatts\": 2.7", "\"baseWatts\": 2.7", "baseWatts")]
    public void A_bad_file_is_refused_with_the_field(string good, string bad, string named)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            EnergyModel.Default.Save(path);
            string text = File.ReadAllText(path);
            Assert.Contains(good, text);
            File.WriteAllText(path, text.Replace(good, bad));
            Assert.Contains(named, Assert.Throws<InvalidDataException>(() => EnergyModel.Load(path)).Message);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static ExecutionTarget Target(TargetPlacement placement, string device, int threads) => new("t", placement, device, threads, "f32", "", "", 0, 1);
}
