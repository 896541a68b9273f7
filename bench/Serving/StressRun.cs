using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using CoInference.Runtime.Data;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Transport;

namespace CoInference.Bench.Serving;

/// <summary>
/// Many requests from several devices, over TLS with a token, through a link that fades, stalls and drops connections, to an
/// edge that is killed and restarted in mid-run. Every answer is compared with the one of a single process.
/// </summary>
internal static class StressRun
{
    private const int Images = 200;

    public static int Execute(int requests, int clients, int seed)
    {
        string root = Directory.CreateTempSubdirectory("coinference-stress-").FullName;
        try
        {
            return Run(root, requests, clients, seed);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static int Run(string root, int requests, int clients, int seed)
    {
        string folder = Path.Combine(root, "bundle"), tokenFile = Path.Combine(root, "token"), certificateFile = Path.Combine(root, "edge.pem");
        Bundle bundle = ServedBundle.Create(folder);
        ImageSet images = ServedBundle.Images(bundle, Images);
        float[][] expected = Expected(bundle, images);
        File.WriteAllText(tokenFile, Convert.ToHexString(RandomNumberGenerator.GetBytes(32)));
        WriteCertificate(certificateFile);
        using ClientTls tls = ClientTls.Load(trusted: certificateFile);
        var client = new EdgeClientOptions { Tls = tls, Token = AccessToken.FromFile(tokenFile), RequestTimeout = TimeSpan.FromSeconds(5) };

        var edges = new RestartedEdge(folder, certificateFile, tokenFile);
        EdgeProcess edge = edges.Start();
        var trouble = new LinkTrouble(12, TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(1), TimeSpan.FromMilliseconds(400), TimeSpan.FromSeconds(0.25));
        using var relay = new UnreliableRelay(edge.Address.Port, trouble, seed);
        var tally = new Tally(requests);
        var clock = Stopwatch.StartNew();
        Task[] running = [.. Enumerable.Range(0, clients).Select(number => Task.Factory.StartNew(
            () => Ask(bundle, images, expected, new EdgeAddress("127.0.0.1", relay.Port), client, number, seed, tally), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];

        Console.WriteLine("done      seconds  drops stalls  edge MiB  devices MiB");
        bool restarted = edges.Watch(Task.WhenAll(running), tally, requests, ref edge, Report);
        Report(edge);
        bool clean = edge.Stop() == 0;
        edge.Dispose();
        Console.WriteLine($"{requests} requests of {clients} devices in {clock.Elapsed.TotalSeconds:F1} s: {tally.Answered} answered, {tally.Failed} reported as failed, {tally.Wrong} with other logits than one process gives, {tally.Missing} without an outcome, {tally.Doubled} with two");
        Console.WriteLine($"tried again {tally.Recovered} times after a lost connection; {relay.Drops} drops, {relay.Stalls} stalls; edge {(clean ? "without a fault" : "WITH FAULTS")}");
        bool good = clean && restarted && tally.Answered + tally.Failed == requests && tally is { Wrong: 0, Missing: 0, Doubled: 0, Failed: 0 };
        Console.WriteLine(good ? "PASS" : "FAIL");
        return good ? 0 : 1;

        void Report(EdgeProcess edge)
        {
            GC.Collect();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{tally.Done,-9} {clock.Elapsed.TotalSeconds,7:F1} {relay.Drops,6} {relay.Stalls,6} {edge.MemoryMiB,9:F1} {GC.GetTotalMemory(false) / 1048576.0,12:F1}"));
        }
    }

    private static void Ask(Bundle bundle, ImageSet images, float[][] expected, EdgeAddress address, EdgeClientOptions client, int number, int seed, Tally tally)
    {
        var options = new DeviceRunnerOptions
        {
            Client = client,
            RecoveryTime = TimeSpan.FromSeconds(60),
            ReconnectInterval = TimeSpan.FromMilliseconds(20),
            MaxReconnectInterval = TimeSpan.FromSeconds(1),
            Seed = (seed * 1000) + number,
            Log = _ => tally.CountRecovery(),
        };
        DeviceRunner device = Connect(bundle, address, options);
        using (device)
        {
            var logits = new float[bundle.Classes];
            while (tally.Next() is { } request)
            {
                int image = (int)((request * 7919L) % images.Count);
                Array.Fill(logits, float.NaN);
                try
                {
                    device.Run(images.Image(image), logits);
                    tally.Finish(request, logits.AsSpan().SequenceEqual(expected[image]));
                }
                catch (EdgeException failure)
                {
                    Console.WriteLine(failure.Message);
                    tally.Fail(request);
                }
            }
        }
    }

    /// <summary>The first connection is the user's to retry: a wrong address is to be seen at once.</summary>
    private static DeviceRunner Connect(Bundle bundle, EdgeAddress address, DeviceRunnerOptions options)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return new DeviceRunner(bundle, address, options);
            }
            catch (EdgeException failure) when (failure.IsTransient && attempt < 20)
            {
                Thread.Sleep(50);
            }
        }
    }

    private static float[][] Expected(Bundle bundle, ImageSet images)
    {
        using var local = new LocalRunner(bundle);
        var expected = new float[images.Count][];
        for (int i = 0; i < expected.Length; i++) local.Run(images.Image(i), expected[i] = new float[bundle.Classes]);
        return expected;
    }

    /// <summary>Writes a certificate of this machine, signed by itself, and its key.</summary>
    public static void WriteCertificate(string path)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=edge", key, HashAlgorithmName.SHA256);
        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(path, certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem() + "\n");
    }
}
