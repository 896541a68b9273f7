using System.Runtime.InteropServices;

namespace CoInference.Kernels.Tensors;

/// <summary>
/// A dense row-major tensor in host memory that owns its 64-byte aligned storage. For images the layout is NCHW.
/// </summary>
public sealed unsafe class Tensor
{
    private readonly AlignedBuffer _buffer;

    /// <summary>Creates a zero-filled tensor.</summary>
    public Tensor(ElementType type, TensorShape shape)
        : this(type, shape, new AlignedBuffer((long)shape.Count * type.SizeInBytes()))
    {
    }

    private Tensor(ElementType type, TensorShape shape, AlignedBuffer buffer)
    {
        Type = type;
        Shape = shape;
        _buffer = buffer;
    }

    /// <summary>Element type.</summary>
    public ElementType Type { get; }

    /// <summary>Dimensions, outermost first.</summary>
    public TensorShape Shape { get; }

    /// <summary>Number of elements.</summary>
    public int Count => Shape.Count;

    /// <summary>The raw bytes, little-endian elements in row-major order.</summary>
    public Span<byte> Bytes => new(_buffer.Pointer, Count * Type.SizeInBytes());

    /// <summary>First element; valid while this tensor is reachable.</summary>
    public byte* Pointer => _buffer.Pointer;

    /// <summary>Creates a tensor from row-major values.</summary>
    /// <exception cref="ArgumentException">The number of values is not the shape's element count.</exception>
    public static Tensor From<T>(TensorShape shape, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        if (values.Length != shape.Count)
            throw new ArgumentException($"{values.Length} values do not fill shape {shape}, which holds {shape.Count}.", nameof(values));
        var tensor = new Tensor(ElementTypes.Of<T>(), shape);
        values.CopyTo(tensor.Values<T>());
        return tensor;
    }

    /// <summary>A rank-0 tensor.</summary>
    public static Tensor Scalar<T>(T value)
        where T : unmanaged => From(new TensorShape(), [value]);

    /// <summary>The elements in row-major order.</summary>
    /// <exception cref="InvalidOperationException"><typeparamref name="T"/> does not store <see cref="Type"/>.</exception>
    public Span<T> Values<T>()
        where T : unmanaged
    {
        if (ElementTypes.Of<T>() != Type) throw new InvalidOperationException($"A {Type} tensor cannot be read as {typeof(T).Name}.");
        return MemoryMarshal.Cast<byte, T>(Bytes);
    }

    /// <summary>The same storage under another shape with the same element count.</summary>
    /// <exception cref="ArgumentException">The element counts differ.</exception>
    public Tensor Reshape(TensorShape shape)
    {
        if (shape.Count != Count) throw new ArgumentException($"Shape {Shape} cannot become {shape}: the element counts differ.", nameof(shape));
        return new Tensor(Type, shape, _buffer);
    }

    /// <summary>A copy with storage of its own.</summary>
    public Tensor Clone()
    {
        var copy = new Tensor(Type, Shape);
        Bytes.CopyTo(copy.Bytes);
        return copy;
    }

    /// <summary>The type and shape as <c>Float32 [1, 3, 32, 32]</c>.</summary>
    public override string ToString() => $"{Type} {Shape}";
}
