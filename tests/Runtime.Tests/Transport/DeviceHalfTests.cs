using CoInference.Kernels.Gpu;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Tests.Transport;

/// <summary>Bundles whose device half runs on a device: what crosses the link is what the CPU's codec makes of the same feature.</summary>
[Collection("devices")]
public class DeviceHalfTests
{
    public static TheoryData<string, int, int, bool> Codecs
    {
        get
        {
            var data = new TheoryData<string, int, int, bool>();
            foreach (string device in RealDevices.Ids)
            {
                data.Add(device, 4, 6, true);
                data.Add(device, 8, 8, false);
                data.Add(device, 3, 5, false);
                data.Add(device, 2, 8, true);
                data.Add(device, 32, 4, false);
            }

            return data;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Codecs))]
    public void Frames_hold_the_bytes_of_the_cpu_codec(string deviceId, int bits, int channels, bool entropyCoded)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        Bundle bundle = TestBundles.Split(bits, channels, entropyCoded);
        var options = new SessionOptions { Device = device, Strict = true, Chooser = KernelChooser.Analytic };
        using var half = new DeviceHalf(bundle, options);
        using Session session = Session.Create(bundle.Device!, options);
        ImageSet images = TestBundles.Images(8, seed: 9);
        var input = new float[images.ImageBytes];
        var feature = new float[bundle.Codec!.FeatureShape.Count];
        var payload = new byte[bundle.Codec.MaxPayloadBytes];
        for (int i = 0; i < images.Count; i++)
        {
            half.Compute(images.Image(i));
            ReadOnlySpan<byte> frame = half.Encode(images.Image(i), (ulong)i);
            RequestHeader header = FeatureFrame.ReadRequest(frame, frame.Length, out ReadOnlySpan<byte> sent);

            bundle.Preprocessing.Apply(images.Image(i), images.Channels, input);
            session.Run(input, feature);
            int length = bundle.Codec.Encode(feature, payload, out EntropyMode coder);
            Assert.Equal(coder, header.Coder);
            Assert.Equal(payload.AsSpan(0, length).ToArray(), sent.ToArray());
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Codecs))]
    public void An_edge_half_restores_features_on_its_device(string deviceId, int bits, int channels, bool entropyCoded)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        Bundle bundle = TestBundles.Split(bits, channels, entropyCoded);
        var options = new SessionOptions { Device = device, Strict = true, Chooser = KernelChooser.Analytic };
        using var sender = new DeviceHalf(bundle, new SessionOptions());
        using var expected = new EdgeHalf(bundle, new SessionOptions());
        using var half = new EdgeHalf(bundle, options);
        using EdgeHalf fork = half.Fork([1], 1);
        using Session session = Session.Create(bundle.Edge!, options with { TakesInputOnDevice = true });
        Assert.NotNull(session.DeviceInput);
        // One copy, of the logits.
        Assert.Single(session.Steps, step => step.Op == "Copy");
        ImageSet images = TestBundles.Images(4, seed: 21);
        float[] e = new float[bundle.Classes], a = new float[bundle.Classes], b = new float[bundle.Classes];
        for (int i = 0; i < images.Count; i++)
        {
            sender.Compute(images.Image(i));
            byte[] frame = sender.Encode(images.Image(i), (ulong)i).ToArray();
            foreach ((EdgeHalf edge, float[] logits) in new[] { (expected, e), (half, a), (fork, b) })
            {
                edge.Decode(frame);
                edge.Compute(logits);
            }

            for (int k = 0; k < e.Length; k++) Assert.InRange(a[k], e[k] - 1e-3f, e[k] + 1e-3f);
            Assert.Equal(a, b);
        }

        ReadOnlySpan<byte> last = sender.Encode(images.Image(images.Count - 1), 9);
        RequestHeader header = FeatureFrame.ReadRequest(last, last.Length, out _);
        Assert.Throws<InvalidDataException>(() => half.Decode(header, new byte[bundle.Codec!.MaxPayloadBytes + 1]));
        // A half that answers several requests at once decodes them on the host.
        using var batched = new EdgeHalf(bundle, options, 1, 2);
        batched.Decode(last);
        batched.Compute(b);
        for (int k = 0; k < e.Length; k++) Assert.InRange(b[k], e[k] - 1e-3f, e[k] + 1e-3f);
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void A_bundle_answers_on_a_device_as_on_the_cpu(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        foreach (Bundle bundle in new[] { TestBundles.Split(8, 8), TestBundles.DeviceOnly(), TestBundles.EdgeOnly(InputCoding.Pixels) })
        {
            using var expected = new LocalRunner(bundle);
            using var actual = new LocalRunner(bundle, new SessionOptions { Device = device, Strict = true, Chooser = KernelChooser.Analytic });
            ImageSet images = TestBundles.Images(6, seed: 11);
            var e = new float[bundle.Classes];
            var a = new float[bundle.Classes];
            for (int i = 0; i < images.Count; i++)
            {
                expected.Run(images.Image(i), e);
                actual.Run(images.Image(i), a);
                // A rounding difference of the feature may move a symbol by one level of 256.
                for (int k = 0; k < e.Length; k++) Assert.InRange(a[k], e[k] - 0.02f, e[k] + 0.02f);
            }
        }
    }
}
