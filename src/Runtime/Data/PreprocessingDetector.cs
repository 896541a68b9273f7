using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Data;

/// <summary>Finds out which preprocessing a network expects, by trying the presets on labelled images.</summary>
public static class PreprocessingDetector
{
    /// <summary>By how much another preset must beat <c>imagenet</c>: the presets with a mean and deviation are too close to tell apart by accuracy.</summary>
    private const double NeededGain = 0.05;

    /// <summary>Images that are enough to tell a right preset from a wrong one.</summary>
    public const int SufficientImages = 300;

    /// <summary>
    /// The preprocessing named in the graph's metadata if there is one; else <c>imagenet</c>, unless another preset is more
    /// than 5 points more accurate.
    /// </summary>
    /// <param name="graph">The network.</param>
    /// <param name="images">Search-validation images; the first <see cref="SufficientImages"/> are used.</param>
    /// <param name="options">Null for the defaults; its preprocessing is ignored.</param>
    /// <param name="cancellation">Stops between two images.</param>
    /// <exception cref="ArgumentException">The images do not fit the network.</exception>
    public static PreprocessingDetection Detect(Graph graph, ImageSet images, EvaluationOptions? options = null, CancellationToken cancellation = default)
    {
        if (graph.Metadata.TryGetValue(Preprocessing.MetadataKey, out string? named)
            && Preprocessing.Presets.FirstOrDefault(preset => preset.Name == named) is { } declared)
        {
            return new PreprocessingDetection(declared, new Dictionary<string, double>());
        }

        ImageSet sample = images.Take(SufficientImages);
        var accuracies = new Dictionary<string, double>(StringComparer.Ordinal);
        Preprocessing best = Preprocessing.ImageNet;
        foreach (Preprocessing preset in Preprocessing.Presets)
        {
            accuracies[preset.Name] = Evaluator.Evaluate(graph, sample, (options ?? new EvaluationOptions()) with { Preprocessing = preset }, cancellation).Top1;
            if (accuracies[preset.Name] > accuracies[best.Name]) best = preset;
        }

        bool keep = accuracies[best.Name] <= accuracies[Preprocessing.ImageNet.Name] + NeededGain;
        return new PreprocessingDetection(keep ? Preprocessing.ImageNet : best, accuracies);
    }
}

/// <summary>A detected preprocessing.</summary>
/// <param name="Preprocessing">The choice.</param>
/// <param name="Accuracies">Accuracy of each preset tried, 0 to 1, by name; empty when the model names its preprocessing.</param>
public sealed record PreprocessingDetection(Preprocessing Preprocessing, IReadOnlyDictionary<string, double> Accuracies);
