using System.Text.Json.Nodes;
using CoInference.Runtime.Data;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Tests.Transport;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Tests.Plans;

public sealed class BundleTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("coinference-").FullName;

    private string Folder => Path.Combine(_root, "bundle");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Theory]
    [InlineData("split", "codec.json device.onnx edge.onnx plan.json")]
    [InlineData("edge", "edge.onnx plan.json")]
    [InlineData("device", "device.onnx plan.json")]
    public void A_bundle_answers_the_same_after_it_was_saved(string kind, string files)
    {
        Bundle bundle = Make(kind);
        Bundle saved = bundle.Save(Folder);
        Assert.Equal(files.Split(' '), Directory.GetFiles(Folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(saved.Id, Bundle.Load(Folder).Id);
        Assert.Equal(saved.Id, ModelHash.OfFile(Path.Combine(Folder, "plan.json")));

        using var before = new LocalRunner(bundle);
        using var after = new LocalRunner(saved);
        float[] expected = new float[TestBundles.Classes], logits = new float[TestBundles.Classes];
        ImageSet images = TestBundles.Images(5, seed: 1);
        for (int i = 0; i < images.Count; i++)
        {
            before.Run(images.Image(i), expected);
            after.Run(images.Image(i), logits);
            Assert.Equal(expected, logits);
        }
    }

    [Fact]
    public void Two_bundles_have_one_id_exactly_when_their_content_is_the_same()
    {
        Assert.Equal(TestBundles.Split().Save(Folder).Id, TestBundles.Split().Save(Folder + "2").Id);
        Assert.NotEqual(TestBundles.Split().Save(Folder).Id, TestBundles.Split(bits: 5).Save(Folder + "2").Id);
    }

    [Theory]
    [InlineData("plan.json")]
    [InlineData("device.onnx")]
    [InlineData("edge.onnx")]
    [InlineData("codec.json")]
    public void A_missing_or_damaged_file_is_named(string file)
    {
        TestBundles.Split().Save(Folder);
        string path = Path.Combine(Folder, file);
        byte[] content = File.ReadAllBytes(path);
        foreach (byte[] damaged in (byte[][])[[], content[..(content.Length / 2)], [.. content, 0], Flipped(content, content.Length / 3)])
        {
            File.WriteAllBytes(path, damaged);
            AssertRefused(file);
        }

        File.Delete(path);
        AssertRefused(file);
    }

    [Fact]
    public void Every_flipped_byte_of_the_halves_and_the_codec_is_noticed()
    {
        TestBundles.Split().Save(Folder);
        foreach (string file in (string[])["device.onnx", "edge.onnx", "codec.json"])
        {
            string path = Path.Combine(Folder, file);
            byte[] content = File.ReadAllBytes(path);
            for (int at = 0; at < content.Length; at += 1 + (content.Length / 40))
            {
                File.WriteAllBytes(path, Flipped(content, at));
                AssertRefused(file);
            }

            File.WriteAllBytes(path, content);
        }

        Bundle.Load(Folder);
    }

    [Fact]
    public void Files_of_another_bundle_are_refused()
    {
        TestBundles.Split().Save(Folder);
        TestBundles.Split(bits: 5).Save(Folder + "2");
        File.Copy(Path.Combine(Folder + "2", "codec.json"), Path.Combine(Folder, "codec.json"), overwrite: true);
        AssertRefused("codec.json");

        TestBundles.DeviceOnly().Save(Folder);
        File.Copy(Path.Combine(Folder + "2", "edge.onnx"), Path.Combine(Folder, "edge.onnx"));
        AssertRefused("edge.onnx");
    }

    [Theory]
    [InlineData("bundle.classes", "11", "describes other halves")]
    [InlineData("bundle.featureShape", "[1, 8, 12, 13]", "describes other halves")]
    [InlineData("bundle", "null", "Compile it first")]
    [InlineData("preprocessing", "null", "preprocessing")]
    [InlineData("preprocessing.mean", "[0.5, 0.5]", "preprocessing.mean")]
    [InlineData("codec.bits", "5", "the plan's codec is 6 of 8 channels at 5 bits")]
    [InlineData("bundle.files[0].name", "\"../../etc/passwd\"", "../../etc/passwd")]
    [InlineData("bundle.files[1].name", "\"device.onnx\"", "device.onnx")]
    public void A_manifest_that_lies_is_refused(string field, string value, string expected)
    {
        TestBundles.Split().Save(Folder);
        string path = Path.Combine(Folder, "plan.json");
        JsonNode root = JsonNode.Parse(File.ReadAllBytes(path))!;
        string[] steps = field.Replace("[", ".[", StringComparison.Ordinal).Split('.');
        JsonNode parent = root;
        foreach (string step in steps[..^1]) parent = step[0] == '[' ? parent[step[1] - '0']! : parent[step]!;
        parent[steps[^1]] = JsonNode.Parse(value);
        File.WriteAllText(path, root.ToJsonString());
        AssertRefused(expected);
    }

    [Fact]
    public void Parts_that_do_not_fit_are_refused_when_they_are_put_together()
    {
        Bundle split = TestBundles.Split();
        Plan plan = split.Plan;
        Preprocessing preprocessing = split.Preprocessing;
        Assert.Throws<InvalidDataException>(() => Bundle.Create(plan, null, null, null, preprocessing));
        Assert.Throws<InvalidDataException>(() => Bundle.Create(plan, split.Device, split.Edge, null, preprocessing));
        Assert.Throws<InvalidDataException>(() => Bundle.Create(plan, split.Device, null, split.Codec, preprocessing));
        Assert.Throws<InvalidDataException>(() => Bundle.Create(plan with { Codec = plan.Codec! with { Bits = 2 } }, split.Device, split.Edge, split.Codec, preprocessing));
        var failure = Assert.Throws<InvalidDataException>(() => Bundle.Create(plan, split.Device, TestBundles.WholeGraph(), split.Codec, preprocessing));
        Assert.Contains("[1, 8, 12, 12]", failure.Message);
        Assert.Contains("[1, 3, 12, 12]", failure.Message);
    }

    [Fact]
    public void A_folder_that_is_no_bundle_is_neither_read_nor_replaced()
    {
        Assert.Contains("no such folder", Assert.Throws<InvalidDataException>(() => Bundle.Load(Folder)).Message);
        Directory.CreateDirectory(Folder);
        AssertRefused("plan.json");
        File.WriteAllText(Path.Combine(Folder, "notes.txt"), "mine");
        Assert.Contains("notes.txt", Assert.Throws<IOException>(() => TestBundles.Split().Save(Folder)).Message);
        Assert.Equal("mine", File.ReadAllText(Path.Combine(Folder, "notes.txt")));
    }

    private static Bundle Make(string kind) => kind switch
    {
        "split" => TestBundles.Split(),
        "edge" => TestBundles.EdgeOnly(InputCoding.Png),
        _ => TestBundles.DeviceOnly(),
    };

    private static byte[] Flipped(byte[] content, int at)
    {
        byte[] copy = [.. content];
        copy[at] ^= 0x10;
        return copy;
    }

    private void AssertRefused(string expected)
    {
        var failure = Assert.Throws<InvalidDataException>(() => Bundle.Load(Folder));
        Assert.Contains(expected, failure.Message);
        Assert.DoesNotContain('\n', failure.Message);
    }
}
