using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>A value of the plan, in whatever layouts its producer and consumers agree on.</summary>
internal sealed class PlanValue(string name, ElementType type, TensorShape shape)
{
    public string Name { get; } = name;

    public ElementType Type { get; } = type;

    public TensorShape Shape { get; } = shape;

    /// <summary>The value itself when it does not depend on the inputs.</summary>
    public Tensor? Constant { get; init; }

    /// <summary>The shape as an image, when the value can be laid out in channel blocks.</summary>
    public ImageShape? Image { get; } = type == ElementType.Float32 ? ImageShape.From(shape) : null;

    /// <summary>Operations that read the value, one entry per read; kept by <see cref="OperationList"/>.</summary>
    public List<Operation> Consumers { get; } = [];

    /// <summary>Whether a caller receives the value.</summary>
    public bool IsOutput { get; set; }

    /// <summary>Whether nothing but <paramref name="consumer"/> needs the value.</summary>
    public bool IsOnlyFor(Operation consumer) => !IsOutput && Consumers.Count == 1 && Consumers[0] == consumer;

    /// <summary>Bytes in memory under a layout.</summary>
    public long Bytes(ActivationLayout layout) => layout.IsNchw
        ? (long)Shape.Count * Type.SizeInBytes()
        : 4L * layout.StorageCount(Image!.Value.Batch, Image.Value.Channels, Image.Value.Height, Image.Value.Width);

    public override string ToString() => $"{Name} {Shape}";
}

/// <summary>A tensor shape read as images: rank 2 is [N, C], rank 3 [N, C, W], rank 4 [N, C, H, W].</summary>
internal readonly record struct ImageShape(int Batch, int Channels, int Height, int Width)
{
    public int Pixels => Height * Width;

    public static ImageShape? From(TensorShape shape)
    {
        if (shape.Rank is < 2 or > 4 || shape.Count == 0) return null;
        return new ImageShape(shape[0], shape[1], shape.Rank == 4 ? shape[2] : 1, shape.Rank > 2 ? shape[-1] : 1);
    }

    public override string ToString() => $"{Batch}x{Channels}x{Height}x{Width}";
}
