using CoInference.Kernels.Simd.Training;

namespace CoInference.Runtime.Training.Steps;

/// <summary>A value of the network: its map and, while it is needed, the gradient of the loss with respect to it.</summary>
internal sealed class TrainingValue(string name, int channels, int height, int width)
{
    private BorderedMap? _map;

    public string Name => name;

    public int Channels => channels;

    public int Height => height;

    public int Width => width;

    /// <summary>Zero pixels that its readers need around it.</summary>
    public int Border { get; set; }

    /// <summary>Zero pixels that its producer needs around its gradient.</summary>
    public int GradientBorder { get; set; }

    /// <summary>Whether the loss depends on a parameter through it.</summary>
    public bool NeedsGradient { get; set; }

    public MapGeometry Geometry => new(channels, height, width, Border);

    public MapGeometry GradientGeometry => new(channels, height, width, GradientBorder);

    public BorderedMap Map => _map ?? throw new InvalidOperationException($"Value '{name}' is not allocated.");

    public BorderedMap? Gradient { get; set; }

    public void Allocate(int batch) => _map = Geometry.Allocate(batch);

    public override string ToString() => $"'{name}' [{channels}, {height}, {width}]";
}
