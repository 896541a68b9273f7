using CoInference.Kernels.Tensors;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Sparsity;
using CoInference.Runtime.Splitting;

namespace CoInference.Runtime.Plans;

/// <summary>Turns a network and a plan into a bundle: prunes, re-fits, cuts, and calibrates the codec.</summary>
public static class BundleCompiler
{
    /// <summary>Images whose features calibrate the codec, when there are as many.</summary>
    public const int CodecImages = 256;

    /// <summary>Checks that a plan was made for a model file.</summary>
    /// <exception cref="InvalidDataException">It was made for another; the message has both hashes.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static void CheckModel(Plan plan, string modelPath)
    {
        ArgumentNullException.ThrowIfNull(plan);
        string hash = ModelHash.OfFile(modelPath);
        if (hash != plan.ModelHash)
            throw new InvalidDataException($"The plan was made for a model with SHA-256 {plan.ModelHash[..12]}..., '{modelPath}' has {hash[..12]}...; search again for this model.");
    }

    /// <summary>Prunes a network as a plan says, and compiles the result.</summary>
    /// <param name="canonical">The simplified network that the plan was made for.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="calibration">Images from the training split, for the re-fit and the codec; labels are not used.</param>
    /// <param name="preprocessing">How pixels become network input.</param>
    /// <param name="options">How to prune: those of the search, for the network that the search judged; null for the defaults.</param>
    /// <param name="precise">As <see cref="SessionOptions.Precise"/>, for the features that the codec is calibrated on.</param>
    /// <param name="cancellation">Stops the re-fit.</param>
    /// <exception cref="InvalidDataException">The plan does not fit the network; the message names the field.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Bundle Compile(
        Graph canonical, Plan plan, ImageSet calibration, Preprocessing preprocessing, PrunerOptions? options = null, bool precise = false,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(canonical);
        ArgumentNullException.ThrowIfNull(plan);
        CheckImages(canonical, calibration);
        return CompilePruned(Prune(canonical, plan, calibration, preprocessing, options, cancellation), plan, calibration, preprocessing, precise);
    }

    /// <summary>The network as a plan's groups leave it, re-fitted.</summary>
    /// <param name="canonical">The simplified network that the plan was made for.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="calibration">Images from the training split for the re-fit; labels are not used.</param>
    /// <param name="preprocessing">How pixels become network input.</param>
    /// <param name="options">How to prune; null for the defaults.</param>
    /// <param name="cancellation">Stops the re-fit.</param>
    /// <exception cref="InvalidDataException">The plan does not fit the network; the message names the field.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Graph Prune(
        Graph canonical, Plan plan, ImageSet calibration, Preprocessing preprocessing, PrunerOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(canonical);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(preprocessing);
        CheckImages(canonical, calibration);
        if (!plan.Groups.Any(group => group.Sparsity > 0 || group.KeptChannels < group.Channels)) return canonical;
        options ??= new PrunerOptions();
        Tensor images = preprocessing.Apply(calibration, options.Refit.Images);
        try
        {
            return Pruner.Create(canonical, images, options, cancellation).Apply(plan.Groups, cancellation);
        }
        catch (ArgumentException failure)
        {
            throw new InvalidDataException($"The plan's field 'groups' does not fit the network: {failure.Message}", failure);
        }
    }

    /// <summary>Compiles a network that has been pruned already: cuts it and calibrates the codec.</summary>
    /// <param name="pruned">The network as the plan's groups leave it.</param>
    /// <param name="plan">The plan; its groups are only recorded.</param>
    /// <param name="calibration">Images from the training split for the codec; labels are not used.</param>
    /// <param name="preprocessing">How pixels become network input.</param>
    /// <param name="precise">As <see cref="SessionOptions.Precise"/>, for the features that the codec is calibrated on.</param>
    /// <exception cref="InvalidDataException">The plan does not fit the network; the message names the field.</exception>
    public static Bundle CompilePruned(Graph pruned, Plan plan, ImageSet calibration, Preprocessing preprocessing, bool precise = false)
    {
        ArgumentNullException.ThrowIfNull(pruned);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(preprocessing);
        CheckImages(pruned, calibration);
        IReadOnlyList<Cut> cuts = CutFinder.FindAll(pruned);
        Cut cut = cuts.FirstOrDefault(candidate => candidate.Value == plan.Cut)
            ?? throw new InvalidDataException($"The plan's field 'cut' is '{plan.Cut}', which is not a legal cut of the network; '{cuts[0].Value}' to '{cuts[^1].Value}' has {cuts.Count}.");
        if (cut.Kind == CutKind.Output) return Bundle.Create(plan with { Codec = null }, pruned, null, null, preprocessing);
        if (cut.Kind == CutKind.Input && plan.Codec is null) return Bundle.Create(plan, null, pruned, null, preprocessing);
        if (plan.Codec is not { } decision) throw new InvalidDataException($"The plan's field 'codec' is null, but the feature '{plan.Cut}' crosses; 32 bits send it uncompressed.");

        (Graph device, Graph edge) = GraphSplitter.Split(pruned, cut);
        Graph? deviceHalf = cut.Kind == CutKind.Input ? null : device;
        float[] features = Features(deviceHalf, cut.Shape, calibration, preprocessing, precise);
        try
        {
            return Bundle.Create(plan, deviceHalf, edge, FeatureCodec.Calibrate(features, cut.Shape, decision, new CodecOptions { Given = CodeRange.Of(pruned, cut.Value) }), preprocessing);
        }
        catch (ArgumentException failure)
        {
            throw new InvalidDataException($"The plan's field 'codec' does not fit the feature '{plan.Cut}' of shape {cut.Shape}: {failure.Message}", failure);
        }
    }

    /// <summary>The features of calibration images at a cut, row after row.</summary>
    /// <param name="device">The device half; null for a cut at the image itself.</param>
    /// <param name="shape">Shape of the feature, batch 1.</param>
    /// <param name="images">Calibration images; at most <see cref="CodecImages"/> are used.</param>
    /// <param name="preprocessing">How pixels become network input.</param>
    /// <param name="precise">As <see cref="SessionOptions.Precise"/>.</param>
    public static float[] Features(Graph? device, TensorShape shape, ImageSet images, Preprocessing preprocessing, bool precise = false)
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(preprocessing);
        int count = Math.Min(CodecImages, images.Count);
        var features = new float[checked(count * shape.Count)];
        var input = new float[images.ImageBytes];
        using Session? session = device is null ? null : Session.Create(device, new SessionOptions { Precise = precise });
        for (int i = 0; i < count; i++)
        {
            Span<float> feature = features.AsSpan(i * shape.Count, shape.Count);
            preprocessing.Apply(images.Image(i), images.Channels, input);
            if (session is null) input.CopyTo(feature);
            else session.Run(input, feature);
        }

        return features;
    }

    /// <summary>The first images as one tensor [N, C, H, W].</summary>
    internal static Tensor Preprocess(ImageSet images, Preprocessing preprocessing, int limit)
    {
        int count = Math.Min(limit, images.Count);
        var tensor = new Tensor(ElementType.Float32, new TensorShape(count, images.Channels, images.Height, images.Width));
        Span<float> values = tensor.Values<float>();
        for (int i = 0; i < count; i++) preprocessing.Apply(images.Image(i), images.Channels, values.Slice(i * images.ImageBytes, images.ImageBytes));
        return tensor;
    }

    /// <exception cref="InvalidDataException">There are no images, or they have another size than the network reads.</exception>
    internal static void CheckImages(Graph graph, ImageSet images)
    {
        ArgumentNullException.ThrowIfNull(images);
        if (images.Count == 0) throw new InvalidDataException("There are no calibration images.");
        if (graph.Inputs is not [{ Dimensions: [_, var channels, var height, var width] }]) return;
        if ((channels.Size ?? images.Channels) != images.Channels || (height.Size ?? images.Height) != images.Height || (width.Size ?? images.Width) != images.Width)
            throw new InvalidDataException($"The calibration images are {images.Channels}x{images.Height}x{images.Width}, the network reads {channels}x{height}x{width}.");
    }
}
