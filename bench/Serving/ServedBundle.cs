using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Splitting;

namespace CoInference.Bench.Serving;

/// <summary>A bundle to serve: a network cut in its middle, its feature in 4 bits.</summary>
internal static class ServedBundle
{
    /// <summary>Makes the bundle and writes it to a folder.</summary>
    /// <param name="folder">Receives the bundle.</param>
    /// <param name="model">ONNX file; null for the network in the box.</param>
    public static Bundle Create(string folder, string? model = null)
    {
        model ??= Path.Combine(AppContext.BaseDirectory, "shapes10.onnx");
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(model));
        IReadOnlyList<Cut> cuts = CutFinder.FindAll(graph);
        Cut cut = cuts[cuts.Count / 2];
        var plan = new Plan
        {
            ModelHash = ModelHash.OfFile(model),
            Cut = cut.Value,
            Groups = [],
            Codec = new CodecDecision(cut.Shape[1], cut.Shape[1], 4, true),
            Predicted = new LatencyBreakdown(0, 0, 0, 0, 0),
            PayloadBytes = 0,
            ValidationAccuracy = 0,
            Link = new LinkSpec(double.PositiveInfinity, 0),
        };
        return BundleCompiler.Compile(graph, plan, Images(graph, Split.Train, 64), Preprocessing.ImageNet).Save(folder);
    }

    /// <summary>Makes a set of plans of the network in the box: whole on the device, whole on the edge, and several cuts in 8, 4 and 2 bits.</summary>
    /// <param name="folder">Receives the set.</param>
    public static PlanSet CreateSet(string folder)
    {
        string model = Path.Combine(AppContext.BaseDirectory, "shapes10.onnx");
        Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(model));
        var options = new PlanSetOptions { ModelHash = ModelHash.OfFile(model), Preprocessing = Preprocessing.ImageNet, Bits = [8, 4, 2] };
        return PlanSetCompiler.Compile(graph, Images(graph, Split.Train, 64), Images(graph, Split.Train, 100), options, folder);
    }

    /// <summary>Generated images of the bundle's size.</summary>
    public static ImageSet Images(Bundle bundle, int count) => Generate(bundle.ImageShape[0], bundle.ImageShape[1], bundle.ImageShape[2], count);

    private static ImageSet Images(Graph graph, Split split, int count)
    {
        Dimension[] shape = [.. graph.Inputs[0].Dimensions!];
        return (shape[1].Size, shape[2].Size, shape[3].Size) is (3, 32, 32)
            ? DataSpec.Parse("shapes10").Load(split, count)
            : Generate(shape[1].Size ?? 3, shape[2].Size ?? 32, shape[3].Size ?? 32, count);
    }

    /// <summary>Smooth random images: any bundle takes them, and the codec has something to compress.</summary>
    private static ImageSet Generate(int channels, int height, int width, int count)
    {
        var random = new Random(7);
        var pixels = new byte[count * channels * height * width];
        for (int plane = 0; plane < count * channels; plane++)
        {
            double x = 100 * (random.NextDouble() - 0.5) / width, y = 100 * (random.NextDouble() - 0.5) / height, level = random.Next(60, 200);
            for (int p = 0; p < height * width; p++)
                pixels[(plane * height * width) + p] = (byte)Math.Clamp(level + (x * (p % width)) + (y * (p / width)) + random.Next(-8, 9), 0, 255);
        }

        return new ImageSet(channels, height, width, 10, pixels, new int[count]);
    }
}
