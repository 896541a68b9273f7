using System.Diagnostics;
using CoInference.Runtime.Conditions;
using CoInference.Runtime.Targets;

namespace CoInference.Runtime.Tests.Conditions;

public sealed class ConditionTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("coinference-conditions-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Load_of_others_is_what_is_busy_less_what_this_process_used()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "self"));
        Write(user: 100, system: 50, idle: 800, wait: 10, steal: 5, own: 60, ownSystem: 20);
        using var load = new ProcessorLoad(_folder);
        // 100 ticks: 60 idle, 40 busy, of which this process used 15.
        Write(user: 130, system: 55, idle: 850, wait: 20, steal: 10, own: 70, ownSystem: 25);
        Assert.Equal(0.25, load.Read(), 6);
        // No tick has passed: the last reading stands.
        Assert.Equal(0.25, load.Read(), 6);

        void Write(int user, int system, int idle, int wait, int steal, int own, int ownSystem)
        {
            File.WriteAllText(Path.Combine(_folder, "stat"), $"cpu  {user} 0 {system} {idle} {wait} 0 0 {steal} 0 0\ncpu0 1 2 3\n");
            File.WriteAllText(Path.Combine(_folder, "self", "stat"), $"42 (odd) name) R 1 1 1 0 -1 4194304 102 0 0 0 {own} {ownSystem} 0 0 20 0\n");
        }
    }

    [Fact]
    public void What_cannot_be_read_is_not_a_number()
    {
        using var load = new ProcessorLoad(_folder);
        Assert.True(double.IsNaN(load.Read()));
        using SignalStrength signal = SignalStrength.OfInterface(Path.Combine(_folder, "wireless"));
        Assert.True(double.IsNaN(signal.Read()));
        Assert.False(signal.IsKnown);
    }

    [Fact]
    public void The_kernels_table_of_wireless_interfaces_is_read()
    {
        string path = Path.Combine(_folder, "wireless");
        File.WriteAllText(path, "Inter-| sta-|   Quality        |   Discarded packets\n face | tus | link level noise |  nwid  crypt\n wlan0: 0000   58.  -52.  -256        0      0\n");
        using SignalStrength signal = SignalStrength.OfInterface(path);
        Assert.Equal(-52, signal.Read());
    }

    [Fact]
    public void A_recorded_signal_is_checked_line_by_line()
    {
        string path = Path.Combine(_folder, "signal");
        File.WriteAllText(path, "0 -60\n1000 -85.5\n");
        using (SignalStrength signal = SignalStrength.Load(path)) Assert.Equal(-60, signal.Read());
        File.WriteAllText(path, "0 -60\n5 loud\n");
        Assert.Contains("line 2", Assert.Throws<InvalidDataException>(() => SignalStrength.Load(path)).Message);
    }

    [Theory]
    [InlineData(1e6, 0.02)]
    [InlineData(5e4, 0.001)]
    public void Rate_and_round_trip_are_found_from_frames_of_two_sizes_and_follow_a_change(double rate, double roundTrip)
    {
        var estimator = new LinkEstimator();
        long now = Feed(estimator, 1_000_000, rate, roundTrip, 40);
        Assert.InRange(estimator.BytesPerSecond, 0.9 * rate, 1.1 * rate);
        Assert.InRange(estimator.RoundTripSeconds, 0.7 * roundTrip, 1.2 * roundTrip);
        Feed(estimator, now, rate / 8, roundTrip, 40);
        Assert.InRange(estimator.BytesPerSecond, 0.9 * rate / 8, 1.1 * rate / 8);

        static long Feed(LinkEstimator estimator, long now, double rate, double roundTrip, int requests)
        {
            for (int i = 0; i < requests; i++)
            {
                double bytes = i % 2 == 0 ? 300 : 4000, seconds = roundTrip + (bytes / rate);
                now += (long)((seconds + 0.1) * Stopwatch.Frequency);
                estimator.Observe(bytes, seconds, now, isAnswered: true);
            }

            return now;
        }
    }

    [Fact]
    public void Frames_of_one_size_give_the_time_that_such_a_frame_takes()
    {
        var estimator = new LinkEstimator();
        for (int i = 1; i <= 20; i++) estimator.Observe(2000, 0.05, i * Stopwatch.Frequency / 10, isAnswered: true);
        Assert.InRange(estimator.RoundTripSeconds + (2000 / estimator.BytesPerSecond), 0.04, 0.06);
    }

    [Fact]
    public void Reading_the_conditions_allocates_nothing_and_neither_does_sampling_them()
    {
        using var monitor = new ConditionMonitor(new LinkEstimator(), interval: TimeSpan.FromDays(1));
        long allocated = SteadyState.AllocatedBytes(() =>
        {
            for (int i = 0; i < 50; i++) Cycle();
        });
        Assert.Equal(0, allocated);
        OperatingConditions conditions = monitor.Read();
        Assert.InRange(conditions.MemoryLoad, 0, 1);
        Assert.True(double.IsNaN(conditions.BytesPerSecond));

        void Cycle()
        {
            monitor.Read();
            monitor.Rest();
            monitor.Sample();
        }
    }

    [Fact]
    public void A_thread_goes_on_reading()
    {
        string path = Path.Combine(_folder, "signal");
        File.WriteAllText(path, "0 -60\n0.2 -85\n");
        using SignalStrength signal = SignalStrength.Load(path);
        using var monitor = new ConditionMonitor(new LinkEstimator(), signal, TimeSpan.FromMilliseconds(5));
        var clock = Stopwatch.StartNew();
        while (monitor.Read().SignalDbm != -85 && clock.Elapsed < TimeSpan.FromSeconds(20)) Thread.Sleep(1);
        Assert.Equal(-85, monitor.Read().SignalDbm);
    }
}
