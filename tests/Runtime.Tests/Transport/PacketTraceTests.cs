using System.IO.Compression;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Tests.Transport;

public class PacketTraceTests
{
    [Theory]
    [InlineData(0, 1, 0.003)]
    [InlineData(0, 1500, 0.003)]
    [InlineData(0, 1501, 0.003)]
    [InlineData(0, 3001, 0.01)]
    [InlineData(0.003, 3000, 0.003)]
    [InlineData(0.0031, 1500, 0.01)]
    [InlineData(0.005, 3000, 0.013)]
    [InlineData(0.02, 1500, 0.02)]
    [InlineData(0.021, 4500, 0.03)]
    public void Packets_cross_at_the_recorded_times_and_the_recording_starts_over(double start, double bytes, double expected) =>
        Assert.Equal(expected, new PacketTrace([3, 3, 10]).Finish(start, bytes), 9);

    /// <summary>Against walking through the times one by one.</summary>
    [Fact]
    public void Finishing_equals_a_walk_through_the_times()
    {
        var random = new Random(5);
        for (int trial = 0; trial < 300; trial++)
        {
            long[] times = [.. Enumerable.Range(0, 1 + random.Next(12)).Select(_ => (long)random.Next(40)).Order()];
            if (times[^1] == 0) continue;
            double start = random.Next(200) / 1000.0;
            int packets = 1 + random.Next(30);
            double expected = double.NaN;
            int left = packets;
            for (int round = 0; left > 0; round++)
            {
                foreach (long time in times)
                {
                    double at = ((round * times[^1]) + time) / 1000.0;
                    if (at < start - 1e-12 || left == 0) continue;
                    if (--left == 0) expected = at;
                }
            }

            Assert.Equal(expected, new PacketTrace(times).Finish(start, packets * 1500), 9);
        }
    }

    [Theory]
    [InlineData("1\n2\nx\n", "line 3")]
    [InlineData("1\n2.5\n", "line 2")]
    [InlineData("5\n3\n", "Packet 2")]
    [InlineData("-1\n3\n", "Packet 1")]
    [InlineData("0\n0\n", "0 ms")]
    [InlineData("\n", "no packet")]
    public void A_bad_trace_is_refused_with_the_place(string text, string named)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            File.WriteAllText(path, text);
            string message = Assert.Throws<InvalidDataException>(() => PacketTrace.Load(path)).Message;
            Assert.Contains(named, message);
            Assert.Contains(path, message);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Compressed_and_plain_files_are_the_same_trace()
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".gz");
        try
        {
            using (var gzip = new GZipStream(File.Create(path), CompressionLevel.Fastest)) gzip.Write("2\r\n4\r\n8"u8);
            PacketTrace trace = PacketTrace.Load(path);
            Assert.Equal(0.008, trace.Seconds);
            Assert.Equal(3 * 1500 / 0.008, trace.BytesPerSecond, 6);
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>Lengths and rates as the data's description lists them, rounded there to seconds and to 0.01 Mbit/s.</summary>
    [SkippableTheory]
    [InlineData("TMobile-LTE-short.up.gz", 140, 13.32)]
    [InlineData("Verizon-LTE-short.down.gz", 140, 5.03)]
    [InlineData("ATT-LTE-driving-2016.down.gz", 120, 4.56)]
    public void Recorded_traces_have_their_length_and_rate(string name, double seconds, double megabits)
    {
        PacketTrace trace = PacketTrace.Load(TestData.Require("link-traces", name));
        Assert.InRange(trace.Seconds, seconds - 0.6, seconds + 0.6);
        Assert.InRange(trace.BytesPerSecond * 8 / 1e6, megabits - 0.06, megabits + 0.06);
    }
}
