namespace CoInference.Runtime.Plans;

/// <summary>What a bundle holds, recorded in its <c>plan.json</c> so that a damaged or mixed-up bundle is noticed when it is loaded.</summary>
/// <param name="ImageShape">Channels, height and width of an input image.</param>
/// <param name="FeatureShape">Shape of the feature that crosses, batch 1 first; empty when only pixels or nothing crosses.</param>
/// <param name="Classes">Number of classes: length of the logits.</param>
/// <param name="Files">The bundle's other files.</param>
public sealed record BundleManifest(
    IReadOnlyList<int> ImageShape, IReadOnlyList<int> FeatureShape, int Classes, IReadOnlyList<BundleFile> Files);

/// <summary>One file of a bundle.</summary>
/// <param name="Name">Name in the bundle's folder.</param>
/// <param name="Bytes">Length.</param>
/// <param name="Sha256">SHA-256 of the content, lower-case hex.</param>
public sealed record BundleFile(string Name, long Bytes, string Sha256);
