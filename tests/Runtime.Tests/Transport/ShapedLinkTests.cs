using System.Diagnostics;
using CoInference.Runtime.Data;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Tests.Transport;

public class ShapedLinkTests
{
    [Fact]
    public void Both_directions_together_take_what_the_link_says()
    {
        var spec = new LinkSpec(5.85, 10);
        var link = new ShapedLink(spec);
        double milliseconds = (link.OneWayTicks(4000) + link.OneWayTicks(100)) * 1000.0 / Stopwatch.Frequency;
        // Two roundings to a whole tick.
        Assert.Equal(spec.TransferMs(4000, 100), milliseconds, 3);
        Assert.Equal(0, new ShapedLink(new LinkSpec(double.PositiveInfinity, 0)).OneWayTicks(1_000_000));
    }

    [Theory]
    [InlineData("1mbps,rtt=10ms")]
    [InlineData("0.1mbps,rtt=0ms")]
    [InlineData("20mbps,rtt=12ms")]
    public async Task A_shaped_connection_behaves_like_the_link(string text)
    {
        LinkSpec spec = LinkSpec.Parse(text);
        Bundle bundle = TestBundles.Split();
        using var server = new EdgeServer(bundle, new EdgeAddress("127.0.0.1", 0));
        using var stop = new CancellationTokenSource();
        Task running = server.RunAsync(stop.Token);
        var options = new DeviceRunnerOptions { Client = new EdgeClientOptions { Link = spec } };
        using (var device = new DeviceRunner(bundle, server.Address, options))
        {
            RunReport report = ImageSetRun.Execute(device, TestBundles.Images(30, seed: 3));
            // Payloads differ from image to image, so each is held against its own expectation. What comes on top is the way
            // between the two sockets and the wake-ups of both ends: of the fastest image, because on a busy machine a late
            // wake-up says nothing about the link, and far less than these links take.
            (double Expected, double Wire)[] ways = [.. report.Samples.WireMs.Zip(report.Samples.PayloadBytes, (wire, payload) => (spec.TransferMs(payload, 56 + (4 * TestBundles.Classes)), wire))];
            Assert.All(ways, way => Assert.True(way.Wire >= 0.99 * way.Expected, $"{way.Wire} ms, {way.Expected} ms expected"));
            Assert.InRange(ways.Min(way => way.Wire - way.Expected), -0.2, 3);
        }

        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public void A_slowdown_stretches_device_work_by_its_factor()
    {
        ImageSet images = TestBundles.Images(100, seed: 3);
        Bundle bundle = TestBundles.Split();
        using var runner = new LocalRunner(bundle);
        using var slowed = new LocalRunner(bundle, slowdown: new Slowdown(50));
        ImageSetRun.Execute(runner, images);
        double slow = ImageSetRun.Execute(slowed, images).Samples.DeviceMs.Min();
        double plain = ImageSetRun.Execute(runner, images).Samples.DeviceMs.Min();

        // The fastest of many: the machine's own noise is not the question. Work of microseconds after a pause finds cool caches
        // and takes several times as long, which is stretched as well; a factor that was applied twice would be 2500.
        Assert.InRange(slow / plain, 25, 1000);
    }

    [Theory]
    [InlineData("localhost:7070", "localhost", 7070)]
    [InlineData("10.0.0.1:0", "10.0.0.1", 0)]
    [InlineData("[::1]:80", "::1", 80)]
    public void Addresses_are_read_and_written(string text, string host, int port)
    {
        EdgeAddress address = EdgeAddress.Parse(text);
        Assert.Equal((host, port), (address.Host, address.Port));
        Assert.Equal(text, address.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("localhost")]
    [InlineData(":7070")]
    [InlineData("host:")]
    [InlineData("host:65536")]
    [InlineData("host:-1")]
    [InlineData("::1:80")]
    [InlineData("[::1]")]
    public void Other_texts_are_no_addresses(string text) =>
        Assert.Contains("HOST:PORT", Assert.Throws<FormatException>(() => EdgeAddress.Parse(text)).Message);
}
