using CoInference.Kernels.Registry;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Training;

namespace CoInference.Runtime.Execution;

/// <summary>How good the choice of a kernel was for one layer.</summary>
/// <param name="Shape">The layer.</param>
/// <param name="Best">The fastest kernel.</param>
/// <param name="BestMicroseconds">Its median time.</param>
/// <param name="Estimated">The kernel that the analytic estimates choose.</param>
/// <param name="EstimatedOverBest">Speed of that choice as a share of the best, 0 to 1.</param>
/// <param name="Measured">The kernel that a chooser takes which has timed the layer before.</param>
/// <param name="MeasuredOverBest">Speed of that choice as a share of the best, 0 to 1.</param>
/// <param name="WrongKernels">Kernels whose result is further from the reference than rounding explains.</param>
public sealed record KernelChoice(
    ConvShape Shape,
    string Best,
    double BestMicroseconds,
    string Estimated,
    double EstimatedOverBest,
    string Measured,
    double MeasuredOverBest,
    IReadOnlyList<string> WrongKernels);

/// <summary>
/// Judges the dispatcher: for each layer all kernels are timed against each other in one interleaved run, and the two
/// choices, by estimate and by an earlier measurement, are looked up in it.
/// </summary>
public static class ChoiceSurvey
{
    private const long MaximumMultiplyAdds = 150_000_000;
    private const long MaximumRandomMultiplyAdds = 30_000_000;

    /// <summary>Layers of many sizes, and every distinct convolution of ResNet-20, ResNet-18 and MobileNetV2.</summary>
    public static IReadOnlyList<ConvShape> Layers { get; } =
    [
        .. ((string[])
        [
            "1x64x32x32:64k3s1p1", "1x128x16x16:128k3s1p1", "1x64x56x56:64k3s1p1", "1x128x28x28:128k3s1p1", "1x256x14x14:256k3s1p1",
            "1x512x7x7:512k3s1p1", "1x256x28x28:256k1", "1x96x56x56:24k1", "1x16x32x32:16k3s1p1", "1x64x8x8:64k3s1p1",
        ]).Select(ConvShape.Parse)
        .Concat(LayersOf("resnet20", 32))
        .Concat(LayersOf("resnet18", 224))
        .Concat(LayersOf("mobilenetv2-cifar", 32))
        .Distinct(),
    ];

    /// <summary>Random layers of image networks: 1x1, 3x3 and 5x5 kernels, strides of 1 and 2, dense, grouped and depthwise.</summary>
    public static IEnumerable<ConvShape> Random(int seed, int count)
    {
        var random = new Random(seed);
        while (count > 0)
        {
            int kernel = 1 + (2 * random.Next(3)), stride = random.Next(4) == 0 ? 2 : 1, size = random.Next(4, 57);
            int inputs = random.Next(1, 1 << random.Next(3, 10)), outputs = random.Next(1, 1 << random.Next(3, 10)), kind = random.Next(8);
            if (kind == 0) outputs = inputs;
            var shape = new ConvShape
            {
                InChannels = inputs,
                OutChannels = outputs,
                Groups = kind == 0 ? inputs : 1,
                InHeight = size,
                InWidth = size,
                KernelHeight = kernel,
                KernelWidth = kernel,
                StrideY = stride,
                StrideX = stride,
                PadTop = kernel / 2,
                PadLeft = kernel / 2,
                PadBottom = kernel / 2,
                PadRight = kernel / 2,
            };
            if (shape.MultiplyAdds > MaximumRandomMultiplyAdds) continue;
            count--;
            yield return shape;
        }
    }

    /// <summary>Judges one layer.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="form">How the zeros are placed; <see cref="WeightForm.Dense"/> for none.</param>
    /// <param name="sparsity">Share of zeros, 0 to below 1.</param>
    /// <param name="threads">Threads, at least 1.</param>
    /// <param name="rounds">Samples per kernel.</param>
    /// <param name="cancellation">Stops between samples.</param>
    /// <exception cref="ArgumentException">The shape is invalid or a number is out of range.</exception>
    /// <exception cref="OperationCanceledException">The survey was cancelled.</exception>
    public static KernelChoice Judge(ConvShape shape, WeightForm form, double sparsity, int threads, int rounds, CancellationToken cancellation = default)
    {
        var layer = new RandomLayer(shape, Epilogue.Relu, form, 1 - sparsity);
        var tuned = new KernelChooser();
        KernelTuner.Tune(layer, tuned, threads, cancellation);
        KernelComparison comparison = KernelComparison.Run(shape, form, sparsity, threads, Epilogue.Relu, KernelChooser.Analytic, rounds, precise: false, cancellation: cancellation);
        KernelTiming best = comparison.Rows[0], estimated = comparison.Rows.First(row => row.IsPicked);
        string choice = tuned.Convolutions(shape, Epilogue.Relu, layer.Zeros, threads, precise: false).MinBy(variant => variant.Microseconds)!.Kernel;
        KernelTiming measured = comparison.Rows.First(row => row.Kernel == choice);
        return new KernelChoice(
            shape,
            best.Kernel,
            best.MedianMicroseconds,
            estimated.Kernel,
            best.MedianMicroseconds / estimated.MedianMicroseconds,
            measured.Kernel,
            best.MedianMicroseconds / measured.MedianMicroseconds,
            [.. comparison.Rows.Where(row => !row.IsCorrect).Select(row => row.Kernel)]);
    }

    private static IEnumerable<ConvShape> LayersOf(string architecture, int size)
    {
        Graph graph = GraphSimplifier.Simplify(Architectures.Create(architecture, new ArchitectureInput(3, size, size, 10, 0)));
        return Session.Describe(graph, new SessionOptions { Chooser = KernelChooser.Analytic })
            .Select(step => step.Conv).OfType<ConvShape>().Where(shape => shape.MultiplyAdds <= MaximumMultiplyAdds);
    }
}
