using System.Diagnostics;
using System.Globalization;
using CoInference.Runtime.Data;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Targets;
using CoInference.Runtime.Transport;

namespace CoInference.Bench.Serving;

/// <summary>
/// Malformed and hostile frames against an edge process that serves many plans, while a good device checks that it goes on answering
/// right for each of them.
/// </summary>
internal static class HostileRun
{
    private const int Attackers = 16;
    private const double SlowShare = 0.002;

    public static int Execute(int frames, int seed)
    {
        string root = Directory.CreateTempSubdirectory("coinference-hostile-").FullName;
        try
        {
            return Run(Path.Combine(root, "set"), frames, seed);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static int Run(string folder, int frames, int seed)
    {
        PlanSet plans = ServedBundle.CreateSet(folder);
        ImageSet images = ServedBundle.Images(plans.Plans[0].Bundle, 50);
        using EdgeProcess edge = EdgeProcess.Start(folder, "timeout=2");
        edge.ReadBatches();
        byte[][] sound = FrameRecorder.Record(plans, images, out byte[] hello);
        using var good = new GoodDevice(plans, images, edge.Address);
        good.Check(20);
        double before = edge.MemoryMiB;
        long done = 0;
        var clients = new HostileClient[Attackers];
        for (int i = 0; i < Attackers; i++) clients[i] = new HostileClient(edge.Address.Port, hello, new HostileFrames(hello, sound[i % sound.Length], (seed * 100) + i), SlowShare);
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
        using (var another = new GoodDevice(plans, images, edge.Address)) another.Check(20);
        double after = edge.MemoryMiB;
        bool clean = edge.Stop() == 0;
        for (int kind = 0; kind < HostileFrames.Kinds.Count; kind++) Console.WriteLine($"{HostileFrames.Kinds[kind],-20} {clients.Sum(client => client.Sent[kind]),9}");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{clients.Sum(client => client.Sent.Sum())} frames in {seconds:F0} s, {clients.Sum(client => client.Replies)} replies; edge {before:F1} -> {after:F1} MiB; {good.Checked} answers to a good device, {good.Wrong} wrong; edge {(clean ? "without a fault" : "WITH FAULTS")}"));
        bool passed = clean && good.Wrong == 0;
        Console.WriteLine(passed ? "PASS" : "FAIL");
        return passed ? 0 : 1;
    }

    /// <summary>A device that knows the right answers, and asks for those of every plan in turn.</summary>
    private sealed class GoodDevice : IDisposable
    {
        private readonly ImageSet _images;
        private readonly TargetSet _targets;
        private readonly int[] _asked;
        private readonly LocalRunner[] _local;
        private readonly float[] _logits;
        private readonly float[] _expected;

        public GoodDevice(PlanSet plans, ImageSet images, EdgeAddress address)
        {
            _images = images;
            _targets = TargetSet.Open(plans, new TargetSetOptions { Edge = address, Threads = [1] });
            _asked = [.. Enumerable.Range(0, _targets.Targets.Count).Where(target => _targets.Targets[target].Placement != TargetPlacement.Device)];
            _local = [.. _asked.Select(target => new LocalRunner(plans.Plans[plans.Find(_targets.Targets[target].Name)].Bundle))];
            _logits = new float[plans.Classes];
            _expected = new float[plans.Classes];
        }

        public int Checked { get; private set; }

        public int Wrong { get; private set; }

        /// <exception cref="InvalidOperationException">The edge does not answer any more.</exception>
        public void Check(int count)
        {
            for (int i = 0; i < count; i++)
            {
                ReadOnlySpan<byte> image = _images.Image(Checked % _images.Count);
                int plan = Checked++ % _asked.Length;
                if (!_targets.Run(_asked[plan], image, _logits, TimeSpan.FromSeconds(10), double.NaN).Answered) throw new InvalidOperationException("The edge did not answer a good device.");
                _local[plan].Run(image, _expected);
                if (!_logits.AsSpan().SequenceEqual(_expected)) Wrong++;
            }
        }

        public void Dispose()
        {
            _targets.Dispose();
            foreach (LocalRunner local in _local) local.Dispose();
        }
    }
}
