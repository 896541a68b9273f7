using System.Globalization;
using System.Runtime.CompilerServices;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Data;

namespace CoInference.Runtime.Plans;

/// <summary>The ranges that every field of a plan must lie in.</summary>
internal static class PlanValidation
{
    /// <exception cref="InvalidDataException">A field is out of range; the message names the plan, the field, its value and the range.</exception>
    public static void Check(Plan plan, string name)
    {
        var check = new Checker(name);
        if (plan.Schema != Plan.SchemaName) check.Fail("schema", $"'{plan.Schema}'", $"'{Plan.SchemaName}'");
        if (!ModelHash.IsHash(plan.ModelHash)) check.Fail("modelHash", $"'{plan.ModelHash}'", "a SHA-256 in lower-case hex, 64 digits");
        check.Text("cut", plan.Cut);
        CheckGroups(plan.Groups, check);
        if (plan.Codec is { } codec)
        {
            check.Range("codec.totalChannels", codec.TotalChannels, 1, int.MaxValue);
            check.Range("codec.channels", codec.Channels, 1, codec.TotalChannels);
            if (codec.Bits is not ((>= 1 and <= 8) or 32)) check.Fail("codec.bits", codec.Bits, "1 to 8, or 32 for plain floats");
            if (codec is { Bits: 32, EntropyCoded: true }) check.Fail("codec.entropyCoded", "true", "false: plain floats are not entropy coded");
        }

        check.Time("predicted.deviceMs", plan.Predicted.DeviceMs);
        check.Time("predicted.encodeMs", plan.Predicted.EncodeMs);
        check.Time("predicted.wireMs", plan.Predicted.WireMs);
        check.Time("predicted.decodeMs", plan.Predicted.DecodeMs);
        check.Time("predicted.edgeMs", plan.Predicted.EdgeMs);
        check.Range("payloadBytes", plan.PayloadBytes, 0, int.MaxValue);
        check.Range("validationAccuracy", plan.ValidationAccuracy, 0, 1);
        if (!(plan.Link.MegabitsPerSecond > 0)) check.Fail("link.megabitsPerSecond", plan.Link.MegabitsPerSecond, "a number above 0, or null for an unlimited link");
        check.Time("link.roundTripMs", plan.Link.RoundTripMs);
        check.Range("slowdown", plan.Slowdown, 1, 1e6);
        check.Time("budgetMs", plan.BudgetMs);
        if (plan.LatencyTableHash.Length > 0 && !ModelHash.IsHash(plan.LatencyTableHash))
            check.Fail("latencyTableHash", $"'{plan.LatencyTableHash}'", "a SHA-256 in lower-case hex, or empty");
        if (!Enum.IsDefined(plan.InputCoding)) check.Fail("inputCoding", (int)plan.InputCoding, "'pixels', 'png' or 'jpeg'");
        check.Range("jpegQuality", plan.JpegQuality, 1, 100);
        if (plan.Preprocessing is { } preprocessing) CheckPreprocessing(preprocessing, check);
        if (plan.Bundle is { } bundle) CheckBundle(bundle, check);
    }

    private static void CheckGroups(IReadOnlyList<GroupDecision> groups, Checker check)
    {
        var seen = new HashSet<(string, WeightForm)>();
        for (int i = 0; i < groups.Count; i++)
        {
            string field = $"groups[{i}]";
            if (groups[i] is not { } group)
            {
                check.Fail(field, "null", "a group");
                continue;
            }

            check.Text($"{field}.group", group.Group);
            if (!Enum.IsDefined(group.Form)) check.Fail($"{field}.form", (int)group.Form, "'channel', 'block' or 'unstructured'");
            if (!seen.Add((group.Group, group.Form))) check.Fail($"{field}.group", $"'{group.Group}' again", "one decision per group and form");
            check.Range($"{field}.sparsity", group.Sparsity, 0, 1);
            check.Range($"{field}.channels", group.Channels, 1, int.MaxValue);
            check.Range($"{field}.keptChannels", group.KeptChannels, 0, group.Channels);
            if (group.KeptChannels == 0 && group.Sparsity < 1) check.Fail($"{field}.sparsity", group.Sparsity, "1: no channel is left");
            if (group.Form != WeightForm.Dense && group.KeptChannels != group.Channels)
                check.Fail($"{field}.keptChannels", group.KeptChannels, $"{group.Channels}: the form removes no whole channels");
        }
    }

    private static void CheckPreprocessing(Preprocessing preprocessing, Checker check)
    {
        check.Text("preprocessing.name", preprocessing.Name);
        if (preprocessing.Scale == 0) check.Fail("preprocessing.scale", 0, "a number other than 0");
        check.Range("preprocessing.scale", preprocessing.Scale, -1e6, 1e6);
        CheckChannels("preprocessing.mean", preprocessing.Mean, -1e9, check);
        CheckChannels("preprocessing.std", preprocessing.Std, 1e-9, check);
    }

    private static void CheckChannels(string field, IReadOnlyList<double> values, double smallest, Checker check)
    {
        if (values.Count == 0) check.Fail(field, "empty", "one number per channel, or one for all");
        for (int i = 0; i < values.Count; i++) check.Range($"{field}[{i}]", values[i], smallest, 1e9);
    }

    private static void CheckBundle(BundleManifest bundle, Checker check)
    {
        if (bundle.ImageShape.Count != 3) check.Fail("bundle.imageShape", $"{bundle.ImageShape.Count} numbers", "channels, height and width");
        CheckShape("bundle.imageShape", bundle.ImageShape, check);
        CheckShape("bundle.featureShape", bundle.FeatureShape, check);
        check.Range("bundle.classes", bundle.Classes, 1, 1 << 24);
        for (int i = 0; i < bundle.Files.Count; i++)
        {
            if (bundle.Files[i] is not { } file)
            {
                check.Fail($"bundle.files[{i}]", "null", "a file");
                continue;
            }

            check.Text($"bundle.files[{i}].name", file.Name);
            check.Range($"bundle.files[{i}].bytes", file.Bytes, 0, int.MaxValue);
            if (!ModelHash.IsHash(file.Sha256)) check.Fail($"bundle.files[{i}].sha256", $"'{file.Sha256}'", "a SHA-256 in lower-case hex, 64 digits");
        }
    }

    private static void CheckShape(string field, IReadOnlyList<int> shape, Checker check)
    {
        long count = 1;
        for (int i = 0; i < shape.Count; i++)
        {
            check.Range($"{field}[{i}]", shape[i], 1, int.MaxValue);
            count *= shape[i];
            if (count > int.MaxValue) check.Fail(field, $"[{string.Join(", ", shape)}]", $"at most {int.MaxValue} elements");
        }
    }

    private readonly struct Checker(string name)
    {
        // NaN fails every comparison, hence "not inside" and never "outside".
        public void Range(string field, double value, double smallest, double largest)
        {
            if (!(value >= smallest && value <= largest))
                Fail(field, value, string.Create(CultureInfo.InvariantCulture, $"a number from {smallest} to {largest}"));
        }

        public void Time(string field, double value) => Range(field, value, 0, 1e12);

        public void Text(string field, string? value)
        {
            if (string.IsNullOrEmpty(value)) Fail(field, "empty", "a name");
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        public void Fail<T>(string field, T found, string expected) =>
            throw new InvalidDataException(string.Create(CultureInfo.InvariantCulture, $"{name}: field '{field}' is {found}, expected {expected}."));
    }
}
