using System.Text;
using System.Text.Json.Nodes;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Data;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Tests.Plans;

public class PlanFileTests
{
    internal static Plan Example { get; } = new()
    {
        ModelHash = new string('a', 64),
        Cut = "layer1.out",
        Groups =
        [
            new GroupDecision("conv1", WeightForm.Dense, 0.5, 8, 16),
            new GroupDecision("conv2", WeightForm.Unstructured, 0.9, 16, 16),
        ],
        Codec = new CodecDecision(4, 16, 3, EntropyCoded: true),
        Predicted = new LatencyBreakdown(1.25, 0.05, 12, 0.04, 2.5),
        PayloadBytes = 1234.5,
        ValidationAccuracy = 0.8125,
        Link = new LinkSpec(5.85, 10),
        Slowdown = 10,
        BudgetMs = 20,
        LatencyTableHash = new string('0', 64),
        Seed = 7,
        Decider = "ddpg",
        InputCoding = InputCoding.Png,
        Preprocessing = Preprocessing.ImageNet,
        Bundle = new BundleManifest([3, 32, 32], [1, 16, 8, 8], 10, [new BundleFile("device.onnx", 99, new string('b', 64))]),
    };

    [Fact]
    public void A_plan_survives_the_round_trip()
    {
        byte[] json = PlanFile.Serialize(Example);
        Plan copy = PlanFile.Parse(json, "plan.json");
        Assert.Equal(json, PlanFile.Serialize(copy));
        Assert.Equal(Example.Groups, copy.Groups);
        Assert.Equal(Example.Codec, copy.Codec);
        Assert.Equal(Example.Predicted, copy.Predicted);
        Assert.Equal(Example.Link, copy.Link);
        Assert.Equal(Example.Preprocessing!.Mean, copy.Preprocessing!.Mean);
        Assert.Equal(Example.Bundle!.Files, copy.Bundle!.Files);
        Assert.Equal(InputCoding.Png, copy.InputCoding);
        Assert.Contains("\"form\": \"channel\"", Encoding.UTF8.GetString(json));
        Assert.Contains("\"totalMs\": 15.84", Encoding.UTF8.GetString(json));
    }

    [Fact]
    public void An_unlimited_link_and_a_plan_without_extras_survive_the_round_trip()
    {
        Plan plan = Example with { Link = new LinkSpec(double.PositiveInfinity, 0), Codec = null, Preprocessing = null, Bundle = null, Groups = [] };
        Plan copy = PlanFile.Parse(PlanFile.Serialize(plan), "plan.json");
        Assert.Equal(plan.Link, copy.Link);
        Assert.Null(copy.Codec);
        Assert.Null(copy.Bundle);
    }

    [Theory]
    [InlineData("groups[1].sparsity", "1.5", "field 'groups[1].sparsity' is 1.5, expected a number from 0 to 1")]
    [InlineData("groups[0].sparsity", "\"much\"", "field 'groups[0].sparsity'")]
    [InlineData("groups[0].sparsity", "1e999", "groups[0].sparsity")]
    [InlineData("groups[0].keptChannels", "-1", "field 'groups[0].keptChannels' is -1, expected a number from 0 to 16")]
    [InlineData("groups[0].keptChannels", "0", "expected 1: no channel is left")]
    [InlineData("groups[0].keptChannels", "17", "groups[0].keptChannels")]
    [InlineData("groups[1].keptChannels", "8", "field 'groups[1].keptChannels' is 8, expected 16")]
    [InlineData("groups[1]", """{"group": "conv1", "form": "channel", "sparsity": 0, "keptChannels": 8, "channels": 8}""", "'conv1' again")]
    [InlineData("groups[1].form", "\"dense\"", "The form must be 'channel', 'block' or 'unstructured'")]
    [InlineData("groups[0]", "null", "groups[0]")]
    [InlineData("groups", "null", "field 'groups'")]
    [InlineData("cut", "\"\"", "field 'cut' is empty, expected a name")]
    [InlineData("cut", "7", "field 'cut'")]
    [InlineData("codec.bits", "9", "field 'codec.bits' is 9, expected 1 to 8, or 32 for plain floats")]
    [InlineData("codec.bits", "32", "field 'codec.entropyCoded' is true")]
    [InlineData("codec.bits", "2.5", "field 'codec.bits'")]
    [InlineData("codec.channels", "17", "field 'codec.channels' is 17, expected a number from 1 to 16")]
    [InlineData("predicted.wireMs", "-1", "field 'predicted.wireMs' is -1")]
    [InlineData("predicted.wireMs", "NaN", "plan.json")]
    [InlineData("link.megabitsPerSecond", "0", "field 'link.megabitsPerSecond' is 0")]
    [InlineData("link.megabitsPerSecond", "\"fast\"", "null for an unlimited link")]
    [InlineData("slowdown", "0.5", "field 'slowdown' is 0.5, expected a number from 1 to 1000000")]
    [InlineData("validationAccuracy", "83.2", "field 'validationAccuracy' is 83.2, expected a number from 0 to 1")]
    [InlineData("modelHash", "\"abc\"", "field 'modelHash' is 'abc', expected a SHA-256")]
    [InlineData("inputCoding", "\"webp\"", "field 'inputCoding'")]
    [InlineData("jpegQuality", "0", "field 'jpegQuality'")]
    [InlineData("preprocessing.std", "[0.2, 0, 0.2]", "field 'preprocessing.std[1]' is 0")]
    [InlineData("bundle.imageShape", "[3, 65536, 65536]", "field 'bundle.imageShape' is [3, 65536, 65536]")]
    [InlineData("bundle.files[0].sha256", "\"../../etc\"", "bundle.files[0].sha256")]
    [InlineData("schema", "\"coinference.plan/2\"", "field 'schema' is 'coinference.plan/2', this version reads 'coinference.plan/1'")]
    [InlineData("schema", "\"\\ud800\"", "no field 'schema'")]
    [InlineData("cut", "\"\\ud800\"", "plan.json")]
    [InlineData("groups[0].form", "\"\\ud800\"", "plan.json")]
    [InlineData("schema", "1", "no field 'schema'")]
    [InlineData("spasity", "0.5", "spasity")]
    public void A_bad_field_is_named_with_what_was_expected(string field, string value, string expected)
    {
        byte[] json = WithField(field, value);
        var failure = Assert.Throws<InvalidDataException>(() => PlanFile.Parse(json, "plan.json"));
        Assert.StartsWith("plan.json: ", failure.Message);
        Assert.Contains(expected, failure.Message);
        Assert.DoesNotContain('\n', failure.Message);
    }

    [Theory]
    [InlineData("modelHash")]
    [InlineData("cut")]
    [InlineData("groups")]
    [InlineData("predicted.edgeMs")]
    [InlineData("groups[0].channels")]
    [InlineData("schema")]
    public void A_missing_field_is_named(string field)
    {
        byte[] json = WithField(field, null);
        var failure = Assert.Throws<InvalidDataException>(() => PlanFile.Parse(json, "plan.json"));
        Assert.Contains(field.Split('.')[^1], failure.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("\0\0\0\0")]
    [InlineData("{\"schema\": ")]
    public void What_is_no_plan_is_refused(string text)
    {
        var failure = Assert.Throws<InvalidDataException>(() => PlanFile.Parse(Encoding.UTF8.GetBytes(text), "plan.json"));
        Assert.StartsWith("plan.json: ", failure.Message);
    }

    [Fact]
    public void Every_truncation_and_many_damages_are_refused_or_still_a_valid_plan()
    {
        byte[] json = PlanFile.Serialize(Example);
        for (int length = 0; length < json.Length - 2; length++)
            Assert.Throws<InvalidDataException>(() => PlanFile.Parse(json.AsSpan(0, length), "plan.json"));

        var random = new Random(1);
        for (int i = 0; i < 2000; i++)
        {
            byte[] damaged = [.. json];
            for (int n = random.Next(1, 4); n > 0; n--) damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            try
            {
                PlanFile.Serialize(PlanFile.Parse(damaged, "plan.json"));
            }
            catch (InvalidDataException)
            {
                // The only way in which a damaged plan may fail.
            }
        }
    }

    [Fact]
    public void A_plan_that_could_not_be_read_back_is_not_written()
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        Assert.Throws<InvalidDataException>(() => PlanFile.Write(path, Example with { ValidationAccuracy = double.NaN }));
        Assert.False(File.Exists(path));
        Assert.Throws<FileNotFoundException>(() => PlanFile.Read(path));
    }

    private static byte[] WithField(string field, string? value)
    {
        // JsonNode cannot hold what is not JSON (NaN, 1e999): a placeholder stands for the value until the text is made.
        const string Placeholder = "\"@@\"";
        JsonNode root = JsonNode.Parse(PlanFile.Serialize(Example))!;
        string[] steps = field.Replace("[", ".[", StringComparison.Ordinal).Split('.');
        JsonNode parent = root;
        foreach (string step in steps[..^1]) parent = step[0] == '[' ? parent[Index(step)]! : parent[step]!;
        string last = steps[^1];
        if (value is null) parent.AsObject().Remove(last);
        else if (last[0] == '[') parent[Index(last)] = JsonNode.Parse(Placeholder);
        else parent[last] = JsonNode.Parse(Placeholder);
        return Encoding.UTF8.GetBytes(root.ToJsonString().Replace(Placeholder, value, StringComparison.Ordinal));

        static int Index(string step) => int.Parse(step[1..^1], System.Globalization.CultureInfo.InvariantCulture);
    }
}
