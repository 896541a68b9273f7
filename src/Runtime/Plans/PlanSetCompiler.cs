using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Splitting;
using CoInference.Runtime.Transport;

namespace CoInference.Runtime.Plans;

/// <summary>What a <see cref="PlanSet"/> is made of.</summary>
public sealed record PlanSetOptions
{
    /// <summary>SHA-256 of the model file, lower-case hex.</summary>
    public required string ModelHash { get; init; }

    /// <summary>How pixels become network input.</summary>
    public required Preprocessing Preprocessing { get; init; }

    /// <summary>Values to cut at; null for <see cref="PlanSetCompiler.ShrinkingCuts"/>.</summary>
    public IReadOnlyList<string>? Cuts { get; init; }

    /// <summary>Widths of the features that cross, in bits, 1 to 8.</summary>
    public IReadOnlyList<int> Bits { get; init; } = [8, 4];

    /// <summary>The network in 8-bit integers, for a further plan on the device; null for none.</summary>
    public Graph? Integer { get; init; }

    /// <summary>As <see cref="SessionOptions.Precise"/>, for calibration and accuracy.</summary>
    public bool Precise { get; init; }
}

/// <summary>Makes a set of every plan that a network's cuts and some widths give, measures each one's accuracy, and writes it.</summary>
public static class PlanSetCompiler
{
    /// <summary>
    /// The interior cuts whose feature is smaller than that of every cut before them: any other has more layers on the device and
    /// yet no less to send.
    /// </summary>
    public static IReadOnlyList<Cut> ShrinkingCuts(Graph canonical)
    {
        long smallest = long.MaxValue;
        var cuts = new List<Cut>();
        foreach (Cut cut in CutFinder.Find(canonical))
        {
            if (cut.Kind == CutKind.Interior && cut.RawBytes < smallest) cuts.Add(cut);
            if (cut.Kind == CutKind.Interior) smallest = Math.Min(smallest, cut.RawBytes);
        }

        return cuts;
    }

    /// <summary>Compiles and writes a set: the whole network on the device, the whole network on the edge, and each cut at each width.</summary>
    /// <param name="canonical">The simplified network.</param>
    /// <param name="calibration">Training images for the codecs; labels are not used.</param>
    /// <param name="validation">Images that accuracies and payloads are measured on; no choice may have been made with them.</param>
    /// <param name="options">What to compile.</param>
    /// <param name="folder">Receives the set, replacing an earlier one.</param>
    /// <param name="progress">Receives the share done and the plan that was done last; may be null.</param>
    /// <param name="cancellation">Stops between two plans; nothing is written.</param>
    /// <returns>The set as it was read back from the folder.</returns>
    /// <exception cref="InvalidDataException">A value is no legal cut, or images or the integer network do not fit.</exception>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static PlanSet Compile(
        Graph canonical, ImageSet calibration, ImageSet validation, PlanSetOptions options, string folder, IProgress<(double Share, string Plan)>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(canonical);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Bits.FirstOrDefault(bits => bits is < 1 or > 8) is var wrong and not 0) throw new ArgumentException($"{wrong} bits: expected 1 to 8.", nameof(options));
        IReadOnlyList<Cut> cuts = CutFinder.FindAll(canonical);
        Draft[] drafts = [.. Drafts(canonical, cuts, calibration, options, cancellation)];
        var plans = new List<PlanSetPlan>();
        for (int i = 0; i < drafts.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            Draft draft = drafts[i];
            RunReport report = Judge(draft, validation, options);
            plans.Add(new PlanSetPlan(
                draft.Name, draft.Network, draft.Cut, draft.InputCoding, draft.Codec is null ? null : new BundleFile($"codec.{i}.json", 0, ""), report.Payload.MeanBytes, report.Top1));
            progress?.Report(((i + 1.0) / drafts.Length, draft.Name));
        }

        var description = new PlanSetFile
        {
            ModelHash = options.ModelHash,
            Preprocessing = options.Preprocessing,
            Networks = [.. Networks(canonical, options).Select(network => new PlanSetNetwork(network.Precision, new BundleFile($"network.{network.Precision}.onnx", 0, "")))],
            Plans = plans,
        };
        PlanSetFolder.Write(folder, description, [.. Networks(canonical, options).Select(network => network.Graph)], [.. drafts.Select(draft => draft.Codec)]);
        return PlanSet.Load(folder);
    }

    private static IEnumerable<(string Precision, Graph Graph)> Networks(Graph canonical, PlanSetOptions options)
    {
        yield return ("f32", canonical);
        if (options.Integer is { } integer) yield return ("i8", integer);
    }

    private static IEnumerable<Draft> Drafts(Graph canonical, IReadOnlyList<Cut> cuts, ImageSet calibration, PlanSetOptions options, CancellationToken cancellation)
    {
        foreach ((string precision, Graph graph) in Networks(canonical, options))
            yield return new Draft($"device.{precision}", precision, graph.Outputs[0].Name, graph, null, null, InputCoding.Pixels);
        yield return new Draft("edge.raw", "f32", cuts[0].Value, null, canonical, null, InputCoding.Pixels);
        // PNG stores grey and colour images only.
        if (calibration.Channels is 1 or 3) yield return new Draft("edge.png", "f32", cuts[0].Value, null, canonical, null, InputCoding.Png);
        foreach (string value in options.Cuts ?? [.. ShrinkingCuts(canonical).Select(cut => cut.Value)])
        {
            cancellation.ThrowIfCancellationRequested();
            Cut cut = cuts.FirstOrDefault(candidate => candidate.Value == value && candidate.Kind == CutKind.Interior)
                ?? throw new InvalidDataException($"'{value}' is not a legal cut inside the network; '{cuts[0].Value}' to '{cuts[^1].Value}' has {cuts.Count - 2}.");
            (Graph device, Graph edge) = GraphSplitter.Split(canonical, cut);
            var samples = new FeatureSamples(BundleCompiler.Features(device, cut.Shape, calibration, options.Preprocessing, options.Precise), cut.Shape);
            foreach (int bits in options.Bits)
            {
                var decision = new CodecDecision(cut.Shape[1], cut.Shape[1], bits, EntropyCoded: true);
                FeatureCodec codec = FeatureCodec.Calibrate(samples, decision, new CodecOptions { Given = CodeRange.Of(canonical, value) });
                yield return new Draft($"cut.{string.Concat(value.Select(letter => char.IsWhiteSpace(letter) ? '_' : letter))}.{bits}bit", "f32", value, device, edge, codec, InputCoding.Pixels);
            }
        }
    }

    private static RunReport Judge(Draft draft, ImageSet validation, PlanSetOptions options)
    {
        var plan = new Plan
        {
            ModelHash = options.ModelHash,
            Cut = draft.Cut,
            Groups = [],
            Codec = draft.Codec?.Decision,
            Predicted = new LatencyBreakdown(0, 0, 0, 0, 0),
            PayloadBytes = 0,
            ValidationAccuracy = 0,
            Link = new LinkSpec(double.PositiveInfinity, 0),
            InputCoding = draft.InputCoding,
        };
        using var runner = new LocalRunner(Bundle.Create(plan, draft.Device, draft.Edge, draft.Codec, options.Preprocessing), new SessionOptions { Precise = options.Precise });
        return ImageSetRun.Execute(runner, validation, new RunDescription { WarmUp = 0 });
    }

    private sealed record Draft(string Name, string Network, string Cut, Graph? Device, Graph? Edge, FeatureCodec? Codec, InputCoding InputCoding);
}
