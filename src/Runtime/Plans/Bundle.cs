using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Plans;

/// <summary>
/// What is deployed: the device half, the edge half, the codec between them and the plan they come from. Device and edge
/// hold the same bundle and recognise it by <see cref="Id"/>.
/// </summary>
/// <remarks>
/// A device-only bundle has no edge half; an edge-only bundle has no device half and, without a codec, sends the image
/// itself. With a codec the feature crosses as the codec encodes it.
/// </remarks>
public sealed class Bundle
{
    private Bundle(Plan plan, Graph? device, Graph? edge, FeatureCodec? codec, Preprocessing preprocessing, string id)
    {
        (Plan, Device, Edge, Codec, Preprocessing, Id) = (plan, device, edge, codec, preprocessing, id);
        WireId = Convert.ToUInt64(Id[..16], 16);
        ImageShape = new TensorShape([.. plan.Bundle!.ImageShape]);
    }

    /// <summary>The plan, with the bundle's manifest in <see cref="Plan.Bundle"/>.</summary>
    public Plan Plan { get; }

    /// <summary>The part of the network that runs on the device; null when it all runs on the edge.</summary>
    public Graph? Device { get; }

    /// <summary>The part of the network that runs on the edge; null when it all runs on the device.</summary>
    public Graph? Edge { get; }

    /// <summary>The codec of the feature; null when nothing crosses, or the image itself does.</summary>
    public FeatureCodec? Codec { get; }

    /// <summary>How pixels become network input.</summary>
    public Preprocessing Preprocessing { get; }

    /// <summary>Channels, height and width of an input image.</summary>
    public TensorShape ImageShape { get; }

    /// <summary>Number of classes: length of the logits.</summary>
    public int Classes => Plan.Bundle!.Classes;

    /// <summary>
    /// SHA-256 of <c>plan.json</c>, which holds the hashes of all other files: two bundles with one id have the same content.
    /// For a plan of a <see cref="PlanSet"/> it stands for the set and the plan's name.
    /// </summary>
    public string Id { get; }

    /// <summary>The first 64 bits of <see cref="Id"/>, as frames carry it.</summary>
    public ulong WireId { get; }

    /// <summary>Puts a bundle together in memory.</summary>
    /// <param name="plan">The plan; its manifest, if any, is replaced.</param>
    /// <param name="device">The device half; null when the whole network runs on the edge.</param>
    /// <param name="edge">The edge half; null when the whole network runs on the device.</param>
    /// <param name="codec">The codec; null when nothing crosses or the image itself does.</param>
    /// <param name="preprocessing">How pixels become network input.</param>
    /// <exception cref="InvalidDataException">The parts do not fit together; the message says which and how.</exception>
    public static Bundle Create(Plan plan, Graph? device, Graph? edge, FeatureCodec? codec, Preprocessing preprocessing)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(preprocessing);
        plan = Complete(plan, device, edge, codec, preprocessing);
        return new Bundle(plan, device, edge, codec, preprocessing, ModelHash.Of(PlanFile.Serialize(plan)));
    }

    /// <summary>Puts a plan of a set together.</summary>
    /// <exception cref="InvalidDataException">The parts do not fit together.</exception>
    internal static Bundle InSet(Plan plan, Graph? device, Graph? edge, FeatureCodec? codec, Preprocessing preprocessing, string id) =>
        new(Complete(plan, device, edge, codec, preprocessing), device, edge, codec, preprocessing, id);

    /// <summary>Reads a bundle and checks that it is complete, undamaged and fits together.</summary>
    /// <exception cref="InvalidDataException">A file is missing, damaged or does not fit the others; the message names it.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static Bundle Load(string folder) => BundleFolder.Read(folder);

    /// <summary>Writes the bundle, replacing an earlier one; see <see cref="AtomicFolder"/>.</summary>
    /// <returns>The bundle as it was read back from the folder, with the id that the other side will see.</returns>
    /// <exception cref="IOException">The folder cannot be written, or holds files that are no bundle's.</exception>
    public Bundle Save(string folder)
    {
        BundleFolder.Write(folder, this);
        return Load(folder);
    }

    /// <summary>Puts together what was read from a folder.</summary>
    /// <exception cref="InvalidDataException">The parts do not fit together.</exception>
    internal static Bundle Restore(string name, Plan plan, Graph? device, Graph? edge, FeatureCodec? codec)
    {
        if (plan.Preprocessing is not { } preprocessing) throw new InvalidDataException($"{name}: field 'preprocessing' is missing, a bundle needs it.");
        BundleManifest described = BundleConsistency.Describe(device, edge, codec);
        BundleManifest recorded = plan.Bundle!;
        if (!described.ImageShape.SequenceEqual(recorded.ImageShape) || !described.FeatureShape.SequenceEqual(recorded.FeatureShape) || described.Classes != recorded.Classes)
            throw new InvalidDataException($"{name}: field 'bundle' describes other halves than those in the folder.");
        BundleConsistency.Check(name, plan, codec, preprocessing);
        return new Bundle(plan, device, edge, codec, preprocessing, ModelHash.Of(PlanFile.Serialize(plan)));
    }

    private static Plan Complete(Plan plan, Graph? device, Graph? edge, FeatureCodec? codec, Preprocessing preprocessing)
    {
        plan = plan with { Bundle = BundleConsistency.Describe(device, edge, codec), Preprocessing = preprocessing };
        BundleConsistency.Check("bundle", plan, codec, preprocessing);
        return plan;
    }
}
