using System.Diagnostics;
using System.Globalization;
using CoInference.Runtime.Data;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Transport;

namespace CoInference.Bench.Serving;

/// <summary>Malformed and hostile frames against an edge process, while a good device checks that it goes on answering right.</summary>
internal static class HostileRun
{
    private const int Attackers = 4;
    private const double SlowShare = 0.002;

    public static int Execute(int frames, int seed)
    {
        string root = Directory.CreateTempSubdirectory("coinference-hostile-").FullName;
        try
        {
            return Run(Path.Combine(root, "bundle"), frames, seed);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static int Run(string folder, int frames, int seed)
    {
        Bundle bundle = ServedBundle.Create(folder);
        ImageSet images = ServedBundle.Images(bundle, 50);
        using EdgeProcess edge = EdgeProcess.Start(folder, "timeout=2");
        edge.ReadBatches();
        byte[] sound = FrameRecorder.Record(bundle, images, out byte[] hello)[0];
        using var good = new GoodDevice(bundle, images, edge.Address);
        good.Check(20);
        double before = edge.MemoryMiB;
        long done = 0;
        var clients = new HostileClient[Attackers];
        for (int i = 0; i < Attackers; i++) clients[i] = new HostileClient(edge.Address.Port, hello, new HostileFrames(hello, sound, (seed * 100) + i), SlowShare);
        var clock = Stopwatch.StartNew();
        Task attack = Task.WhenAll(clients.Select(client => Task.Factory.StartNew(
            () =>
            {
                while (Interlocked.Increment(ref done) <= frames) client.Send();
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));

        int step = Math.Max(1, frames / 10);
        for (long next = step; !attack.Wait(10);)
        {
            good.Check(1);
            if (Interlocked.Read(ref done) < next) continue;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{next} frames, {clock.Elapsed.TotalSeconds:F0} s, edge {edge.MemoryMiB:F1} MiB, {good.Checked} good answers between"));
            next += step;
        }

        foreach (HostileClient client in clients) client.Dispose();
        double seconds = clock.Elapsed.TotalSeconds;
        good.Check(20);
        using (var another = new GoodDevice(bundle, images, edge.Address)) another.Check(20);
        double after = edge.MemoryMiB;
        bool clean = edge.Stop() == 0;
        for (int kind = 0; kind < HostileFrames.Kinds.Count; kind++) Console.WriteLine($"{HostileFrames.Kinds[kind],-20} {clients.Sum(client => client.Sent[kind]),9}");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{clients.Sum(client => client.Sent.Sum())} frames in {seconds:F0} s, {clients.Sum(client => client.Replies)} replies; edge {before:F1} -> {after:F1} MiB; {good.Checked} answers to a good device, {good.Wrong} wrong; edge {(clean ? "without a fault" : "WITH FAULTS")}"));
        bool passed = clean && good.Wrong == 0;
        Console.WriteLine(passed ? "PASS" : "FAIL");
        return passed ? 0 : 1;
    }

    /// <summary>A device that knows the right answers.</summary>
    private sealed class GoodDevice : IDisposable
    {
        private readonly ImageSet _images;
        private readonly DeviceRunner _device;
        private readonly LocalRunner _local;
        private readonly float[] _logits;
        private readonly float[] _expected;

        public GoodDevice(Bundle bundle, ImageSet images, EdgeAddress address)
        {
            _images = images;
            _device = new DeviceRunner(bundle, address);
            _local = new LocalRunner(bundle);
            _logits = new float[bundle.Classes];
            _expected = new float[bundle.Classes];
        }

        public int Checked { get; private set; }

        public int Wrong { get; private set; }

        /// <exception cref="EdgeException">The edge does not answer any more.</exception>
        public void Check(int count)
        {
            for (int i = 0; i < count; i++)
            {
                ReadOnlySpan<byte> image = _images.Image(Checked++ % _images.Count);
                _device.Run(image, _logits);
                _local.Run(image, _expected);
                if (!_logits.AsSpan().SequenceEqual(_expected)) Wrong++;
            }
        }

        public void Dispose()
        {
            _device.Dispose();
            _local.Dispose();
        }
    }
}
