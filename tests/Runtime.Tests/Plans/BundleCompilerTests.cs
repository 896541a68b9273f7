using CoInference.Kernels.Registry;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Tests.Transport;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Tests.Plans;

public class BundleCompilerTests
{
    private static readonly ImageSet Images = TestBundles.Images(40, seed: 7);
    private static readonly Graph Whole = TestBundles.WholeGraph();

    [Theory]
    [InlineData("image", null, InputCoding.Pixels)]
    [InlineData("image", null, InputCoding.Png)]
    [InlineData("image", TestBundles.Channels, InputCoding.Pixels)]
    [InlineData("feature", TestBundles.FeatureChannels, InputCoding.Pixels)]
    [InlineData("pool.out", TestBundles.FeatureChannels, InputCoding.Pixels)]
    [InlineData("logits", null, InputCoding.Pixels)]
    public void Wherever_it_is_cut_an_unpruned_uncompressed_network_answers_as_before(string cut, int? channels, InputCoding coding)
    {
        CodecDecision? codec = channels is { } count ? new CodecDecision(count, count, 32, false) : null;
        Plan plan = TestBundles.PlanFor(cut, codec) with { InputCoding = coding };
        Bundle bundle = BundleCompiler.Compile(Whole, plan, Images, Preprocessing.ImageNet);
        Assert.Equal(cut == "image", bundle.Device is null);
        Assert.Equal(cut == "logits", bundle.Edge is null);
        using var split = new LocalRunner(bundle);
        using var whole = new LocalRunner(TestBundles.DeviceOnly());
        float[] logits = new float[TestBundles.Classes], expected = new float[TestBundles.Classes];
        for (int i = 0; i < 10; i++)
        {
            InferenceTiming timing = split.Run(Images.Image(i), logits);
            whole.Run(Images.Image(i), expected);
            Assert.Equal(cut == "logits", timing.PayloadBytes == 0);
            // Halves may fuse and lay out differently from the whole: the same sums in another order, a few ulps of values near 1.
            for (int c = 0; c < logits.Length; c++) Assert.Equal(expected[c], logits[c], 1e-4f);
        }
    }

    [Fact]
    public void A_plan_with_sparsity_makes_smaller_halves_and_its_bundle_survives_the_disk()
    {
        string folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            Plan plan = TestBundles.PlanFor("feature", new CodecDecision(3, 4, 6, true)) with { Groups = [new GroupDecision("conv1", WeightForm.Dense, 0.5, 4, 8)] };
            Bundle bundle = BundleCompiler.Compile(Whole, plan, Images, Preprocessing.ImageNet).Save(folder);
            Assert.Equal(4, bundle.Codec!.FeatureShape[1]);
            Assert.Equal(4, bundle.Device!.Initializers.Values.Max(weights => weights.Shape[0]));
            Assert.Equal(plan.Groups, bundle.Plan.Groups);
            using var runner = new LocalRunner(bundle);
            RunReport report = ImageSetRun.Execute(runner, Images);
            Assert.InRange(report.Payload.MaxBytes, 60, 56 + (3 * 144 * 6 / 8));
        }
        finally
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_plan_that_does_not_fit_the_network_is_refused_by_field()
    {
        Plan plan = TestBundles.PlanFor("feature", new CodecDecision(3, 8, 6, true));
        AssertRefused(plan with { Cut = "conv1.outt" }, "field 'cut' is 'conv1.outt'");
        AssertRefused(plan with { Codec = null }, "field 'codec' is null");
        AssertRefused(plan with { Codec = new CodecDecision(3, 16, 6, true) }, "field 'codec' does not fit");
        AssertRefused(plan with { Groups = [new GroupDecision("conv9", WeightForm.Dense, 0.5, 4, 8)] }, "conv9");
        AssertRefused(plan with { Groups = [new GroupDecision("conv1", WeightForm.Dense, 0.5, 8, 16)] }, "field 'groups' does not fit");

        static void AssertRefused(Plan plan, string expected) => Assert.Contains(
            expected, Assert.Throws<InvalidDataException>(() => BundleCompiler.Compile(Whole, plan, Images, Preprocessing.ImageNet)).Message);
    }

    [Fact]
    public void A_plan_for_another_model_is_refused()
    {
        string path = Path.GetTempFileName();
        try
        {
            AtomicFile.WriteText(path, "abc");
            BundleCompiler.CheckModel(TestBundles.PlanFor("x", null) with { ModelHash = ModelHash.OfFile(path) }, path);
            var failure = Assert.Throws<InvalidDataException>(() => BundleCompiler.CheckModel(TestBundles.PlanFor("x", null), path));
            Assert.Contains(path, failure.Message);
            Assert.Contains("ba7816bf8f01", failure.Message);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
