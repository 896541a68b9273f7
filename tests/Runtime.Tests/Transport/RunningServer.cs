using System.Collections.Concurrent;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Transport;
using CoInference.Runtime.Transport.Telemetry;

namespace CoInference.Runtime.Tests.Transport;

/// <summary>A server of this process that runs until it is disposed, with its log and what tests ask of it.</summary>
internal sealed class RunningServer : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;

    public RunningServer(EdgeServerOptions? options = null, Bundle? bundle = null)
    {
        Bundle = bundle ?? TestBundles.Split();
        Server = new EdgeServer(Bundle, new EdgeAddress("127.0.0.1", 0), (options ?? new EdgeServerOptions()) with { Log = Log.Enqueue });
        _running = Server.RunAsync(_stop.Token);
    }

    public Bundle Bundle { get; }

    public EdgeServer Server { get; }

    public ConcurrentQueue<EdgeEvent> Log { get; } = new();

    public ImageSet Images { get; } = TestBundles.Images(20, seed: 9);

    /// <summary>Asks a server to stop and waits for its end.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _running;
    }

    public void BeginStop() => _stop.Cancel();

    public EdgeClient Connect(EdgeClientOptions? options = null) => EdgeClient.Connect(Server.Address, Bundle, options);

    /// <summary>The request frame of an image.</summary>
    public byte[] Frame(int image, ulong requestId, TimeSpan? deadline = null)
    {
        using var half = new DeviceHalf(Bundle, new SessionOptions());
        half.Compute(Images.Image(image));
        Span<byte> frame = half.Encode(Images.Image(image), requestId);
        if (deadline is { } left) FeatureFrame.WriteDeadline(frame[..FeatureFrame.RequestHeaderBytes], left);
        return frame.ToArray();
    }

    /// <summary>What one process answers to an image.</summary>
    public float[] Expected(int image)
    {
        using var local = new LocalRunner(Bundle);
        var logits = new float[Bundle.Classes];
        local.Run(Images.Image(image), logits);
        return logits;
    }

    /// <summary>Checks that a device gets the right answer.</summary>
    public void AssertServes(EdgeClientOptions? options = null)
    {
        using EdgeClient client = Connect(options);
        var logits = new float[Bundle.Classes];
        client.Request(Frame(0, 1), 1, logits);
        Assert.Equal(Expected(0), logits);
    }

    public void Dispose()
    {
        _stop.Cancel();
        _running.GetAwaiter().GetResult();
        Server.Dispose();
        _stop.Dispose();
    }
}
