using CoInference.Runtime.Data;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Tests.Transport;

public sealed class TwoProcessTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("coinference-").FullName;

    private string Folder => Path.Combine(_root, "bundle");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Two_processes_give_bit_for_bit_the_answers_of_one()
    {
        Bundle bundle = TestBundles.Split().Save(Folder);
        using ChildServer server = ChildServer.Start(Folder);
        using var device = new DeviceRunner(bundle, server.Address);
        using var local = new LocalRunner(bundle);
        AssertSameAnswers(device, local, TestBundles.Images(200, seed: 9), AnswerSource.Edge);
        Assert.Equal(0, server.Stop());
    }

    [Theory]
    [InlineData(InputCoding.Pixels)]
    [InlineData(InputCoding.Png)]
    public void Images_cross_to_an_edge_that_runs_it_all(InputCoding coding)
    {
        Bundle bundle = TestBundles.EdgeOnly(coding).Save(Folder);
        using ChildServer server = ChildServer.Start(Folder);
        using var device = new DeviceRunner(bundle, server.Address);
        using var local = new LocalRunner(bundle);
        using var whole = new LocalRunner(TestBundles.DeviceOnly());
        ImageSet images = TestBundles.Images(20, seed: 9);
        AssertSameAnswers(device, local, images, AnswerSource.Edge);

        // The image crosses without loss in either coding, so the undivided network answers with the same bits.
        AssertSameAnswers(local, whole, images, AnswerSource.Local);
    }

    [Fact]
    public void Killing_the_edge_in_mid_run_is_a_clear_error()
    {
        Bundle bundle = TestBundles.Split().Save(Folder);
        using ChildServer server = ChildServer.Start(Folder);
        using var device = new DeviceRunner(bundle, server.Address);
        ImageSet images = TestBundles.Images(10, seed: 9);
        var logits = new float[TestBundles.Classes];
        for (int i = 0; i < 5; i++) device.Run(images.Image(i), logits);
        server.Kill();
        var failure = Assert.Throws<EdgeException>(() => device.Run(images.Image(5), logits));
        Assert.Contains(server.Address.ToString(), failure.Message);
        Assert.Contains("request 6", failure.Message);
        Assert.Contains("refused", failure.Message);
        Assert.DoesNotContain('\n', failure.Message);
    }

    [Fact]
    public void After_the_edge_is_killed_the_device_answers_alone_until_the_edge_is_back()
    {
        Bundle bundle = TestBundles.Split().Save(Folder);
        ImageSet images = TestBundles.Images(10, seed: 9);
        using var local = new LocalRunner(bundle);
        var log = new List<string>();
        using ChildServer server = ChildServer.Start(Folder);
        var options = new DeviceRunnerOptions { FallbackToDevice = true, ReconnectInterval = TimeSpan.FromMilliseconds(50), Log = log.Add };
        using var device = new DeviceRunner(bundle, server.Address, options);
        AssertSameAnswers(device, local, images, AnswerSource.Edge);
        server.Kill();
        AssertSameAnswers(device, local, images, AnswerSource.Fallback);
        Assert.Contains(log, line => line.Contains("The device answers alone"));

        using ChildServer again = ChildServer.Start(Folder, server.Address.Port);
        Thread.Sleep(60);
        AssertSameAnswers(device, local, images, AnswerSource.Edge);
        Assert.Contains(log, line => line.Contains("connected again"));
    }

    [Fact]
    public void An_edge_that_was_never_there_is_an_error_or_a_fallback()
    {
        Bundle bundle = TestBundles.Split();
        EdgeAddress nobody;
        using (var server = new EdgeServer(bundle, new EdgeAddress("127.0.0.1", 0))) nobody = server.Address;
        var failure = Assert.Throws<EdgeException>(() => new DeviceRunner(bundle, nobody));
        Assert.Contains(nobody.ToString(), failure.Message);

        using var device = new DeviceRunner(bundle, nobody, new DeviceRunnerOptions { FallbackToDevice = true });
        using var local = new LocalRunner(bundle);
        AssertSameAnswers(device, local, TestBundles.Images(5, seed: 9), AnswerSource.Fallback);
    }

    private static void AssertSameAnswers(IInferenceRunner runner, LocalRunner reference, ImageSet images, AnswerSource source)
    {
        var logits = new float[TestBundles.Classes];
        var expected = new float[TestBundles.Classes];
        for (int i = 0; i < images.Count; i++)
        {
            Assert.Equal(source, runner.Run(images.Image(i), logits).Source);
            reference.Run(images.Image(i), expected);
            Assert.Equal(expected.Select(BitConverter.SingleToInt32Bits), logits.Select(BitConverter.SingleToInt32Bits));
        }
    }
}
