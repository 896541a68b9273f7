using System.Diagnostics;
using CoInference.Kernels.Devices;
using CoInference.Runtime.Profiling;

namespace CoInference.Runtime.Tests.Profiling;

public class TimingTests
{
    [Fact]
    public void Samples_are_long_enough_and_summarised()
    {
        Timing timing = Timing.Measure(() => Spin(30), new TimingOptions { Samples = 12, WarmUpMilliseconds = 1 });
        Assert.Equal(12, timing.Count);

        // The work cannot end before its time, so the lower bound is exact; upper bounds would depend on the machine's load.
        Assert.True(timing.MinUs >= 30, $"{timing.MinUs} us");
        Assert.True(timing.RunsPerSample >= 1 && timing.WarmUpRuns >= 2);
        Assert.True(timing.MinUs <= timing.P10Us && timing.P10Us <= timing.MedianUs && timing.MedianUs <= timing.P90Us && timing.P90Us <= timing.P99Us);
    }

    [Fact]
    public void Quantiles_and_verdict_follow_from_the_samples()
    {
        Timing timing = Timing.From([.. Enumerable.Range(0, 101).Select(i => 1000.0 + i).Reverse()]);
        Assert.Equal((1050, 1010, 1090, 1099, 1000), (timing.MedianUs, timing.P10Us, timing.P90Us, timing.P99Us, timing.MinUs));
        Assert.Equal("stable", timing.Verdict);
        Assert.Equal("noisy", Timing.From([100, 100, 100, 130, 130]).Verdict);
        Assert.Equal([3, 1, 2], Timing.From([3.0, 1, 2]).SamplesUs);
    }

    [Fact]
    public void Sampling_stops_at_its_time_limit_and_when_cancelled()
    {
        Timing timing = Timing.Measure(() => Spin(2000), new TimingOptions { Samples = 100_000, WarmUpMilliseconds = 0, MaxMilliseconds = 20 });
        Assert.InRange(timing.Count, 5, 11);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(() => Timing.Measure(() => Spin(1), null, cancelled.Token));
    }

    [Fact]
    public void The_interval_of_a_ratio_covers_it_and_narrows_with_less_noise()
    {
        var random = new Random(4);
        Timing Noisy(double centre, double noise) => Timing.From([.. Enumerable.Range(0, 60).Select(_ => centre * (1 + (noise * random.NextDouble())))]);
        TimingComparison wide = TimingComparison.From(Noisy(10, 0.5), Noisy(20, 0.5)), narrow = TimingComparison.From(Noisy(10, 0.02), Noisy(20, 0.02));
        Assert.InRange(2.0, wide.RatioLow, wide.RatioHigh);
        Assert.InRange(2.0, narrow.RatioLow - 0.01, narrow.RatioHigh + 0.01);
        Assert.True(narrow.RatioHigh - narrow.RatioLow < (wide.RatioHigh - wide.RatioLow) / 4);
    }

    [Fact]
    public void A_interleaved_comparison_tells_double_work_from_single()
    {
        TimingComparison result = TimingComparison.Measure(() => Spin(40), () => Spin(80), new TimingOptions { Samples = 15, WarmUpMilliseconds = 1 });
        Assert.Equal(result.A.Count, result.B.Count);

        // Two by construction; a preempted sample moves a median of fifteen by far less than this allows.
        Assert.InRange(result.Ratio, 1.3, 3);
    }

    [Fact]
    public void Roofline_is_positive_and_names_the_binding_peak()
    {
        Roofline measured = Roofline.Measure();
        Assert.Contains(CpuFeatures.Widest, measured.PeakGflops.Keys);
        Assert.All(measured.PeakGflops.Values, peak => Assert.InRange(peak, 0.05, 2000));
        Assert.All(measured.Copies, copy => Assert.InRange(copy.Gbps, 0.05, 10_000));

        var roofline = new Roofline(new Dictionary<VectorWidth, double> { [VectorWidth.Vector256] = 100 }, [new CopyBandwidth(1000, 100), new CopyBandwidth(100_000, 10)]);
        Assert.Equal((100, 10, 10), (roofline.GbpsFor(1000), roofline.GbpsFor(1001), roofline.GbpsFor(1e9)));
        Assert.Equal("compute", roofline.BoundBy(1e6, 1e4));
        Assert.Equal("memory", roofline.BoundBy(1e5, 1e5));
        Assert.Equal(10, roofline.TimeAtPeakUs(1e6, 1e4), 6);
        Assert.Equal(10, roofline.TimeAtPeakUs(1e5, 1e5), 6);
    }

    [Fact]
    public void Host_facts_are_never_empty()
    {
        HostInfo host = HostInfo.Capture();
        string[] facts = [host.Cpu, host.Architecture, host.InstructionSets, host.Governor, host.ClockMhz, host.TemperatureC, host.Hypervisor,
            host.LoadAverage, host.OperatingSystem, host.Runtime, host.Revision];
        Assert.All(facts, fact => Assert.False(string.IsNullOrWhiteSpace(fact)));
        Assert.Equal(Environment.ProcessorCount, host.LogicalProcessors);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void Slowdown_stretches_time_by_its_factor(double factor)
    {
        var slowdown = new Slowdown(factor);
        long started = Stopwatch.GetTimestamp();
        Spin(2000);
        double computed = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        double total = slowdown.Finish(started);
        Assert.True(total >= computed * factor, $"{total} ms after {computed} ms");
        Assert.Equal(factor > 1, slowdown.IsEmulated);
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(double.NaN)]
    [InlineData(1e6)]
    public void Impossible_slowdowns_are_refused(double factor) => Assert.Throws<ArgumentOutOfRangeException>(() => new Slowdown(factor));

    private static void Spin(double microseconds)
    {
        long started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started).TotalMicroseconds < microseconds)
        {
        }
    }
}
