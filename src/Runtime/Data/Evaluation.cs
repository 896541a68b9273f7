using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Runtime.Execution;

namespace CoInference.Runtime.Data;

/// <summary>How a network is judged on images.</summary>
public sealed record EvaluationOptions
{
    /// <summary>How pixel bytes become network input.</summary>
    public Preprocessing Preprocessing { get; init; } = Preprocessing.ImageNet;

    /// <summary>Images that are worked on at a time, each by a single-threaded session.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>Images per run of a session. A network quantized dynamically gives other answers in larger batches.</summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>Where kernel choices come from.</summary>
    public KernelChooser Chooser { get; init; } = KernelChooser.Default;

    /// <summary>As <see cref="SessionOptions.Precise"/>.</summary>
    public bool Precise { get; init; }

    /// <summary>As <see cref="SessionOptions.Precision"/>.</summary>
    public ProductPrecision Precision { get; init; }

    /// <summary>As <see cref="SessionOptions.Device"/>; the workers' sessions share it.</summary>
    public ComputeDevice? Device { get; init; }

    /// <summary>As <see cref="SessionOptions.Strict"/>.</summary>
    public bool Strict { get; init; }

    /// <summary>Options of a session.</summary>
    internal SessionOptions Sessions => new() { BatchSize = BatchSize, Chooser = Chooser, Precise = Precise, Precision = Precision, Device = Device, Strict = Strict };
}

/// <summary>What a network got right.</summary>
/// <param name="Top1">Share of images whose label has the highest score, 0 to 1.</param>
/// <param name="Top5">Share of images whose label is among the five highest scores, 0 to 1.</param>
/// <param name="Images">Number of images.</param>
/// <param name="ImagesPerSecond">Throughput over all workers, preprocessing included.</param>
/// <param name="Predictions">Class with the highest score, the first of equals, per image; -1 where a score is not a number.</param>
/// <param name="MeanPayloadBytes">Mean bytes the codec produced per image, frame header excluded; 0 without a codec.</param>
public sealed record Evaluation(double Top1, double Top5, int Images, double ImagesPerSecond, IReadOnlyList<int> Predictions, double MeanPayloadBytes);
