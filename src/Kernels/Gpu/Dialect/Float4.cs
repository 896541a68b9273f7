namespace CoInference.Kernels.Gpu.Dialect;

/// <summary>Four floats that are loaded and stored at once where the device can.</summary>
internal struct Float4
{
    /// <summary>The first.</summary>
    public float X;

    /// <summary>The second.</summary>
    public float Y;

    /// <summary>The third.</summary>
    public float Z;

    /// <summary>The fourth.</summary>
    public float W;

    /// <summary>Loads four consecutive elements.</summary>
    /// <param name="view">The elements.</param>
    /// <param name="index">The first of them; its address must be a multiple of 16 bytes.</param>
    public static Float4 Load(ArrayView<float> view, int index) =>
        new() { X = view[index], Y = view[index + 1], Z = view[index + 2], W = view[index + 3] };

    /// <summary>Stores four consecutive elements.</summary>
    /// <param name="view">The elements.</param>
    /// <param name="index">The first of them; its address must be a multiple of 16 bytes.</param>
    /// <param name="value">What to store.</param>
    public static void Store(ArrayView<float> view, int index, Float4 value)
    {
        view[index] = value.X;
        view[index + 1] = value.Y;
        view[index + 2] = value.Z;
        view[index + 3] = value.W;
    }
}
