using System.Globalization;
using CoInference.Cli.Rendering;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;

namespace CoInference.Cli.Verbs;

/// <summary>How verbs read <c>--data</c> and <c>--preprocess</c>.</summary>
internal static class DataOptions
{
    /// <summary>Help text of <c>--data</c>.</summary>
    public const string SpecHelp = "Data set: cifar10:DIR, idx:DIR, folder:DIR[,size=N][,channels=1|3], or shapes10 (generated).";

    /// <summary>Help text of <c>--preprocess</c>.</summary>
    public const string PreprocessHelp = "How bytes become network input: imagenet, cifar10, unit, symmetric, raw, \"mean=R/G/B;std=R/G/B\", or auto: the model's own, else imagenet unless another preset is clearly better on training images.";

    /// <summary>Preprocessing when nothing is asked for.</summary>
    public const string Auto = "auto";

    /// <summary>The data source, told what the network takes.</summary>
    public static DataSource Source(string spec, Graph graph) =>
        DataSpec.Parse(spec, graph.Inputs is [{ Dimensions: [_, { Size: { } channels }, { Size: { } height }, { Size: { } width }] }] ? new ImageSize(channels, height, width) : null);

    /// <summary>The preprocessing that was asked for, or the detected one.</summary>
    public static Preprocessing Preprocessing(string text, Graph graph, DataSource data, Terminal terminal, CancellationToken cancellation)
    {
        if (text != Auto) return Runtime.Data.Preprocessing.Parse(text);
        PreprocessingDetection detection = PreprocessingDetector.Detect(graph, data.Load(Split.SearchValidation, PreprocessingDetector.SufficientImages), null, cancellation);
        if (detection.Accuracies.Count > 0)
        {
            terminal.Message($"preprocessing: {detection.Preprocessing.Name} ({string.Join(", ", detection.Accuracies.Select(entry =>
                string.Create(CultureInfo.InvariantCulture, $"{entry.Key} {100 * entry.Value:F1} %")))} of validation images right)");
        }

        return detection.Preprocessing;
    }
}
