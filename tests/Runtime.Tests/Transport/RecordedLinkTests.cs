using System.Diagnostics;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Tests.Transport;

public sealed class RecordedLinkTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("coinference-link-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Bytes_take_the_packets_of_their_direction_and_half_the_round_trip()
    {
        // A packet every 10 ms up, every millisecond down.
        File.WriteAllLines(Path.Combine(_folder, "a.up"), Enumerable.Range(1, 100).Select(packet => $"{10 * packet}"));
        File.WriteAllLines(Path.Combine(_folder, "a.down"), Enumerable.Range(1, 1000).Select(packet => $"{packet}"));
        RecordedLink link = RecordedLink.Load(Path.Combine(_folder, "a.up") + ",rtt=40ms");
        long sent = Stopwatch.GetTimestamp();
        // The time to the next packet depends on when it is sent.
        Assert.InRange(Seconds(link.ArrivalAtEdge(sent, 1500) - sent), 0.020, 0.0301);
        Assert.InRange(Seconds(link.ArrivalAtEdge(sent, 6000) - sent), 0.050, 0.0601);
        Assert.InRange(Seconds(link.ArrivalAtDevice(sent, 6000) - sent), 0.023, 0.0241);
        Assert.Contains("a.up,rtt=40ms", link.Name);

        static double Seconds(long ticks) => (double)ticks / Stopwatch.Frequency;
    }

    [Theory]
    [InlineData("rtt=40")]
    [InlineData("rtt=xms")]
    [InlineData("speed=3")]
    public void Other_words_are_refused(string words)
    {
        string path = Path.Combine(_folder, "b");
        File.WriteAllText(path, "1\n2\n");
        Assert.Throws<FormatException>(() => RecordedLink.Load($"{path},{words}"));
    }
}
