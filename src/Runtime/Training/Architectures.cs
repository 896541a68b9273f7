using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Training;

/// <summary>Well-known classifiers of images, by name, with fresh weights.</summary>
public static class Architectures
{
    private static readonly Dictionary<string, Func<ArchitectureInput, Graph>> Builders = new(StringComparer.Ordinal)
    {
        ["resnet8"] = input => Cifar(input, "resnet8", 1),
        ["resnet20"] = input => Cifar(input, "resnet20", 3),
        ["resnet56"] = input => Cifar(input, "resnet56", 9),
        ["resnet18"] = input => ResNet18(input, "resnet18", largeImages: true),
        ["resnet18-cifar"] = input => ResNet18(input, "resnet18-cifar", largeImages: false),
        ["mobilenetv2-cifar"] = MobileNetV2,
        ["vgg11-cifar"] = Vgg11,
    };

    /// <summary>The names that <see cref="Create"/> knows.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Builders.Keys];

    /// <summary>Builds a network.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="input">Image size, classes and seed of the weights.</param>
    /// <exception cref="ArgumentException">The name is unknown.</exception>
    public static Graph Create(string name, ArchitectureInput input) => Builders.TryGetValue(name, out Func<ArchitectureInput, Graph>? build)
        ? build(input)
        : throw new ArgumentException($"Architecture '{name}' is unknown; expected {string.Join(", ", Names)}.", nameof(name));

    /// <summary>The residual networks for CIFAR of He et al. (2015), section 4.2: three stages of basic blocks, shortcuts without parameters.</summary>
    private static Graph Cifar(ArchitectureInput input, string name, int blocks)
    {
        var graph = new GraphBuilder(name, input.Channels, input.Height, input.Width, input.Seed);
        string x = Layer(graph, "stem", "input", input.Channels, 16, 3, 1, relu: true);
        int channels = 16;
        for (int stage = 0; stage < 3; stage++)
        {
            for (int block = 0; block < blocks; block++)
            {
                int width = 16 << stage, stride = stage > 0 && block == 0 ? 2 : 1;
                string at = $"layer{stage + 1}.{block}";
                string shortcut = stride == 1 ? x : graph.SubsampledShortcut($"{at}.shortcut", x, width - channels);
                string y = Layer(graph, $"{at}.conv1", x, channels, width, 3, stride, relu: true);
                y = Layer(graph, $"{at}.conv2", y, width, width, 3, 1, relu: false);
                x = graph.Relu($"{at}.relu", graph.Sum($"{at}.add", y, shortcut));
                channels = width;
            }
        }

        return graph.Classify(x, channels, input.Classes);
    }

    /// <summary>
    /// ResNet-18 (He et al. 2015), with its 7x7 stem and the pooling after it for images of 224x224, or with a 3x3 stem and no
    /// pooling, as is usual for 32x32 images.
    /// </summary>
    private static Graph ResNet18(ArchitectureInput input, string name, bool largeImages)
    {
        var graph = new GraphBuilder(name, input.Channels, input.Height, input.Width, input.Seed);
        string x = largeImages ? Layer(graph, "stem", "input", input.Channels, 64, 7, 2, relu: true) : Layer(graph, "stem", "input", input.Channels, 64, 3, 1, relu: true);
        if (largeImages) x = graph.MaxPool("stem.pool", x, kernel: 3, stride: 2, pad: 1);
        int channels = 64;
        for (int stage = 0; stage < 4; stage++)
        {
            for (int block = 0; block < 2; block++)
            {
                int width = 64 << stage, stride = stage > 0 && block == 0 ? 2 : 1;
                string at = $"layer{stage + 1}.{block}";
                string shortcut = stride == 1 ? x : Layer(graph, $"{at}.shortcut", x, channels, width, 1, stride, relu: false);
                string y = Layer(graph, $"{at}.conv1", x, channels, width, 3, stride, relu: true);
                y = Layer(graph, $"{at}.conv2", y, width, width, 3, 1, relu: false);
                x = graph.Relu($"{at}.relu", graph.Sum($"{at}.add", y, shortcut));
                channels = width;
            }
        }

        return graph.Classify(x, channels, input.Classes);
    }

    /// <summary>MobileNetV2 (Sandler et al. 2018) with the first two reductions left out, as is usual for 32x32 images.</summary>
    private static Graph MobileNetV2(ArchitectureInput input)
    {
        ReadOnlySpan<(int Expansion, int Channels, int Blocks, int Stride)> stages =
            [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];
        var graph = new GraphBuilder("mobilenetv2-cifar", input.Channels, input.Height, input.Width, input.Seed);
        string x = Clamped(graph, "stem", "input", input.Channels, 32, 3, 1, 1);
        int channels = 32, number = 0;
        foreach ((int expansion, int width, int blocks, int stageStride) in stages)
        {
            for (int block = 0; block < blocks; block++)
            {
                int stride = block == 0 ? stageStride : 1, hidden = channels * expansion;
                string at = $"block{number++}", y = x;
                if (expansion > 1) y = Clamped(graph, $"{at}.expand", y, channels, hidden, 1, 1, 1);
                y = Clamped(graph, $"{at}.depthwise", y, hidden, hidden, 3, stride, hidden);
                y = Layer(graph, $"{at}.project", y, hidden, width, 1, 1, relu: false);
                x = stride == 1 && channels == width ? graph.Sum($"{at}.add", y, x) : y;
                channels = width;
            }
        }

        x = Clamped(graph, "head", x, channels, 1280, 1, 1, 1);
        return graph.Classify(x, 1280, input.Classes);
    }

    /// <summary>VGG-11 (Simonyan and Zisserman 2014) with batch normalization and one linear layer, as is usual for 32x32 images.</summary>
    private static Graph Vgg11(ArchitectureInput input)
    {
        var graph = new GraphBuilder("vgg11-cifar", input.Channels, input.Height, input.Width, input.Seed);
        string x = "input";
        int channels = input.Channels, conv = 0, pool = 0, side = Math.Min(input.Height, input.Width);
        foreach (int width in (ReadOnlySpan<int>)[64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0])
        {
            if (width > 0)
            {
                x = Layer(graph, $"conv{conv++}", x, channels, width, 3, 1, relu: true);
                channels = width;
            }
            else if (side >= 2)
            {
                x = graph.MaxPool($"pool{pool++}", x, kernel: 2, stride: 2);
                side /= 2;
            }
        }

        return graph.Classify(x, channels, input.Classes);
    }

    private static string Layer(GraphBuilder graph, string name, string input, int inChannels, int outChannels, int kernel, int stride, bool relu)
    {
        string y = graph.Normalize($"{name}.bn", graph.Conv(name, input, inChannels, outChannels, kernel, stride), outChannels);
        return relu ? graph.Relu($"{name}.relu", y) : y;
    }

    private static string Clamped(GraphBuilder graph, string name, string input, int inChannels, int outChannels, int kernel, int stride, int groups) =>
        graph.Relu6($"{name}.relu6", graph.Normalize($"{name}.bn", graph.Conv(name, input, inChannels, outChannels, kernel, stride, groups), outChannels));
}

/// <summary>What an architecture is built for.</summary>
/// <param name="Channels">Channels of an image.</param>
/// <param name="Height">Rows.</param>
/// <param name="Width">Columns.</param>
/// <param name="Classes">Classes.</param>
/// <param name="Seed">Seed of the weights.</param>
public sealed record ArchitectureInput(int Channels, int Height, int Width, int Classes, ulong Seed);
