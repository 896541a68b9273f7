namespace CoInference.Runtime.Training;

/// <summary>
/// A small residual network in the form of He et al. (2016) for CIFAR-10: a 3x3 stem, stages of basic blocks that double
/// the channels and halve the image, global average pooling and a linear classifier. Where a block changes the shape,
/// the shortcut is a 1x1 convolution with batch normalization.
/// </summary>
internal sealed class ResidualNetwork
{
    private readonly List<TrainingLayer> _layers = [];
    private readonly List<FeatureMap> _maps = [];
    private readonly Random _random;
    private readonly ParallelOptions _parallel;

    /// <summary>Builds the network with random weights.</summary>
    /// <param name="batch">Images per step.</param>
    /// <param name="side">Height and width of the RGB images.</param>
    /// <param name="widths">Channels of each stage.</param>
    /// <param name="blocksPerStage">Basic blocks in each stage.</param>
    /// <param name="classes">Outputs.</param>
    /// <param name="seed">Seed of the first weights.</param>
    /// <param name="parallel">Threads.</param>
    public ResidualNetwork(int batch, int side, IReadOnlyList<int> widths, int blocksPerStage, int classes, int seed, ParallelOptions parallel)
    {
        (_random, _parallel) = (new Random(seed), parallel);
        Images = Map(batch, side, side, 3);
        FeatureMap map = ConvNorm(Images, widths[0], kernel: 3, stride: 1, shortcut: null, relu: true);
        for (int stage = 0; stage < widths.Count; stage++)
        {
            for (int block = 0; block < blocksPerStage; block++) map = Block(map, widths[stage], stage > 0 && block == 0 ? 2 : 1);
        }

        FeatureMap pooled = Map(batch, 1, 1, map.Channels);
        _layers.Add(new GlobalPoolLayer(map, pooled));
        Logits = Map(batch, 1, 1, classes);
        Classifier = new LinearLayer(pooled, Logits, needsInputGradient: true, _random);
        _layers.Add(Classifier);
        Parameters = _layers.SelectMany(layer => layer.Parameters).ToList();
    }

    /// <summary>The input batch, preprocessed.</summary>
    public FeatureMap Images { get; }

    /// <summary>The output batch.</summary>
    public FeatureMap Logits { get; }

    /// <summary>The last layer.</summary>
    public LinearLayer Classifier { get; }

    /// <summary>Layers in forward order.</summary>
    public IReadOnlyList<TrainingLayer> Layers => _layers;

    /// <summary>Everything that is trained.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>Number of trained values.</summary>
    public int ParameterCount => Parameters.Sum(parameter => parameter.Values.Length);

    /// <summary>Computes the logits of the batch in <see cref="Images"/>.</summary>
    public void Forward(bool training)
    {
        foreach (TrainingLayer layer in _layers) layer.Forward(training);
    }

    /// <summary>Clears all gradients of feature maps; then the loss may add its own.</summary>
    public void ClearGradients()
    {
        foreach (FeatureMap map in _maps) Array.Clear(map.Gradients);
    }

    /// <summary>Computes the gradients of all parameters from those of <see cref="Logits"/>.</summary>
    public void Backward()
    {
        for (int i = _layers.Count - 1; i >= 0; i--) _layers[i].Backward();
    }

    private FeatureMap Block(FeatureMap input, int channels, int stride)
    {
        FeatureMap shortcut = stride == 1 && input.Channels == channels ? input
            : ConvNorm(input, channels, kernel: 1, stride, shortcut: null, relu: false);
        FeatureMap middle = ConvNorm(input, channels, kernel: 3, stride, shortcut: null, relu: true);
        return ConvNorm(middle, channels, kernel: 3, stride: 1, shortcut, relu: true);
    }

    private FeatureMap ConvNorm(FeatureMap input, int channels, int kernel, int stride, FeatureMap? shortcut, bool relu)
    {
        FeatureMap convolved = Map(input.Batch, (input.Height + stride - 1) / stride, (input.Width + stride - 1) / stride, channels);
        _layers.Add(new ConvLayer(input, convolved, kernel, stride, needsInputGradient: input != Images, _random, _parallel));
        FeatureMap normalized = Map(convolved.Batch, convolved.Height, convolved.Width, channels);
        _layers.Add(new BatchNormLayer(convolved, normalized, shortcut, relu, _parallel));
        return normalized;
    }

    private FeatureMap Map(int batch, int height, int width, int channels)
    {
        var map = new FeatureMap(batch, height, width, channels);
        _maps.Add(map);
        return map;
    }
}
