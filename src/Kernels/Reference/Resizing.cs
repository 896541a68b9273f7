using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>How values between elements are found.</summary>
public enum Interpolation
{
    /// <summary>The nearest element.</summary>
    Nearest,

    /// <summary>Linear between two neighbours per axis.</summary>
    Linear,

    /// <summary>Cubic convolution over four neighbours per axis.</summary>
    Cubic,
}

/// <summary>How an output position maps to a position in the input.</summary>
public enum CoordinateMapping
{
    /// <summary>Centres of elements at half positions.</summary>
    HalfPixel,

    /// <summary>As <see cref="HalfPixel"/>, corrected so that the centre of the image stays in place.</summary>
    HalfPixelSymmetric,

    /// <summary>As <see cref="HalfPixel"/>, but an axis of size 1 reads position 0.</summary>
    PytorchHalfPixel,

    /// <summary>First and last elements map to each other.</summary>
    AlignCorners,

    /// <summary>Position over scale.</summary>
    Asymmetric,

    /// <summary>Half positions, without subtracting the half afterwards.</summary>
    TensorFlowHalfPixel,

    /// <summary>First and last elements map to the ends of a region of interest.</summary>
    CropAndResize,
}

/// <summary>Which neighbour is nearest when a position falls between two.</summary>
public enum NearestRounding
{
    /// <summary>Nearest, ties down.</summary>
    PreferFloor,

    /// <summary>Nearest, ties up.</summary>
    PreferCeil,

    /// <summary>Always down.</summary>
    Floor,

    /// <summary>Always up.</summary>
    Ceil,
}

/// <summary>How one axis changes its size.</summary>
/// <param name="Axis">Axis number.</param>
/// <param name="Size">Size afterwards.</param>
/// <param name="Scale">Scale that maps positions; Size over the size before, up to rounding.</param>
/// <param name="RegionStart">Start of the region of interest, 0 to 1 of the axis.</param>
/// <param name="RegionEnd">End of the region of interest, 0 to 1 of the axis.</param>
public readonly record struct AxisResize(int Axis, int Size, double Scale, double RegionStart = 0, double RegionEnd = 1);

/// <summary>Settings of <see cref="Resizing.Resize"/>; the defaults are those of ONNX.</summary>
public sealed record ResizeSettings
{
    /// <summary>How values between elements are found.</summary>
    public Interpolation Interpolation { get; init; } = Interpolation.Nearest;

    /// <summary>How an output position maps to a position in the input.</summary>
    public CoordinateMapping Mapping { get; init; } = CoordinateMapping.HalfPixel;

    /// <summary>Which neighbour is nearest.</summary>
    public NearestRounding Rounding { get; init; } = NearestRounding.PreferFloor;

    /// <summary>The parameter a of cubic convolution.</summary>
    public double CubicCoefficient { get; init; } = -0.75;

    /// <summary>Whether neighbours outside the input have weight 0; else the edge repeats.</summary>
    public bool ExcludeOutside { get; init; }

    /// <summary>Result where <see cref="CoordinateMapping.CropAndResize"/> reads outside the input.</summary>
    public double ExtrapolationValue { get; init; }

    /// <summary>Whether the filter is stretched when an axis shrinks.</summary>
    public bool Antialias { get; init; }
}

/// <summary>Changes the size of axes by interpolation.</summary>
/// <remarks>Interpolation is separable: each axis is a sparse linear map, applied one after the other.</remarks>
public static class Resizing
{
    /// <summary>Resizes a tensor.</summary>
    /// <param name="tensor">The source.</param>
    /// <param name="axes">The axes that change; others stay.</param>
    /// <param name="settings">Settings.</param>
    /// <exception cref="ArgumentException">An empty axis would have to grow.</exception>
    public static Tensor Resize(Tensor tensor, ReadOnlySpan<AxisResize> axes, ResizeSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        double[] values = Doubles.Of(tensor);
        int[] shape = tensor.Shape.Dimensions.ToArray();
        var outside = new bool[shape.Length][];
        foreach (AxisResize axis in axes)
        {
            int before = shape[axis.Axis];
            outside[axis.Axis] = new bool[axis.Size];
            for (int i = 0; i < axis.Size; i++)
            {
                double position = PositionOf(i, before, axis, settings.Mapping);
                outside[axis.Axis][i] = settings.Mapping == CoordinateMapping.CropAndResize && (position < 0 || position > before - 1);
            }

            values = Apply(values, shape, axis.Axis, Taps(axis, before, settings));
            shape[axis.Axis] = axis.Size;
        }

        var result = new TensorShape(shape);
        if (settings.Mapping == CoordinateMapping.CropAndResize) FillOutside(values, result, outside, settings.ExtrapolationValue);
        return Doubles.Store(tensor.Type, result, values);
    }

    /// <summary>For each place of a resized axis the places of the source it sums, with their weights.</summary>
    /// <param name="axis">How the axis changes.</param>
    /// <param name="before">Its size before.</param>
    /// <param name="settings">Settings.</param>
    /// <exception cref="ArgumentException">An empty axis would have to grow, or the scale is not positive.</exception>
    public static (int Source, double Weight)[][] Taps(AxisResize axis, int before, ResizeSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (before == 0 && axis.Size > 0) throw new ArgumentException($"Axis {axis.Axis} is empty and cannot be resized.");
        if (!(axis.Scale > 0) || double.IsInfinity(axis.Scale)) throw new ArgumentException($"The scale of axis {axis.Axis} is {axis.Scale}.");
        var taps = new (int Source, double Weight)[axis.Size][];
        for (int i = 0; i < taps.Length; i++) taps[i] = TapsOf(PositionOf(i, before, axis, settings.Mapping), before, axis.Scale, settings);
        return taps;
    }

    private static double PositionOf(int index, int before, AxisResize axis, CoordinateMapping mapping)
    {
        double scale = axis.Scale;
        double length = scale * before;
        switch (mapping)
        {
            case CoordinateMapping.HalfPixel:
                return ((index + 0.5) / scale) - 0.5;
            case CoordinateMapping.HalfPixelSymmetric:
                double offset = before / 2.0 * (1 - (axis.Size / length));
                return offset + ((index + 0.5) / scale) - 0.5;
            case CoordinateMapping.PytorchHalfPixel:
                return axis.Size > 1 ? ((index + 0.5) / scale) - 0.5 : 0;
            case CoordinateMapping.AlignCorners:
                return axis.Size > 1 ? index * (before - 1) / (length - 1) : 0;
            case CoordinateMapping.Asymmetric:
                return index / scale;
            case CoordinateMapping.TensorFlowHalfPixel:
                return (index + 0.5) / scale;
            default:
                return axis.Size > 1
                    ? (axis.RegionStart * (before - 1)) + (index * (axis.RegionEnd - axis.RegionStart) * (before - 1) / (axis.Size - 1))
                    : 0.5 * (axis.RegionStart + axis.RegionEnd) * (before - 1);
        }
    }

    private static (int Source, double Weight)[] TapsOf(double position, int size, double scale, ResizeSettings settings)
    {
        if (settings.Interpolation == Interpolation.Nearest)
        {
            double nearest = settings.Rounding switch
            {
                NearestRounding.PreferFloor => Math.Ceiling(position - 0.5),
                NearestRounding.PreferCeil => Math.Floor(position + 0.5),
                NearestRounding.Floor => Math.Floor(position),
                _ => Math.Ceiling(position),
            };
            return [((int)Math.Clamp(nearest, 0, size - 1), 1)];
        }

        // Positions far outside read the edge only; clamping them bounds the number of taps.
        position = Math.Clamp(position, -2.0 * size - 2, (3.0 * size) + 2);
        double stretch = settings.Antialias ? Math.Min(1, scale) : 1;
        double radius = Math.Min((settings.Interpolation == Interpolation.Linear ? 1 : 2) / stretch, (4.0 * size) + 4);
        var weights = new SortedDictionary<int, double>();
        double sum = 0;
        for (int tap = (int)Math.Ceiling(position - radius); tap <= (int)Math.Floor(position + radius); tap++)
        {
            double distance = Math.Abs(tap - position) * stretch;
            double weight = settings.Interpolation == Interpolation.Linear ? Math.Max(0, 1 - distance) : Cubic(distance, settings.CubicCoefficient);
            if (weight == 0 || (settings.ExcludeOutside && (tap < 0 || tap >= size))) continue;
            int source = Math.Clamp(tap, 0, size - 1);
            weights[source] = weights.GetValueOrDefault(source) + weight;
            sum += weight;
        }

        if (sum == 0) return [((int)Math.Clamp(Math.Round(position), 0, size - 1), 1)];
        bool normalize = settings.ExcludeOutside || stretch < 1;
        return weights.Select(tap => (tap.Key, normalize ? tap.Value / sum : tap.Value)).ToArray();
    }

    // Keys, "Cubic convolution interpolation for digital image processing", IEEE ASSP 29(6), 1981.
    private static double Cubic(double distance, double a) => distance switch
    {
        <= 1 => ((((a + 2) * distance) - (a + 3)) * distance * distance) + 1,
        < 2 => ((((((distance - 5) * distance) + 8) * distance) - 4) * a),
        _ => 0,
    };

    private static double[] Apply(double[] values, int[] shape, int axis, (int Source, double Weight)[][] taps)
    {
        int inner = 1;
        for (int i = axis + 1; i < shape.Length; i++) inner *= shape[i];
        int outer = 1;
        for (int i = 0; i < axis; i++) outer *= shape[i];
        var result = new double[outer * taps.Length * inner];
        for (int o = 0; o < outer; o++)
        {
            for (int position = 0; position < taps.Length; position++)
            {
                Span<double> target = result.AsSpan(((o * taps.Length) + position) * inner, inner);
                foreach ((int source, double weight) in taps[position])
                {
                    ReadOnlySpan<double> from = values.AsSpan(((o * shape[axis]) + source) * inner, inner);
                    for (int i = 0; i < inner; i++) target[i] += weight * from[i];
                }
            }
        }

        return result;
    }

    private static void FillOutside(double[] values, TensorShape shape, bool[]?[] outside, double filling)
    {
        for (int i = 0; i < values.Length; i++)
        {
            for (int axis = shape.Rank - 1, rest = i; axis >= 0; axis--)
            {
                if (outside[axis] is { } flags && flags[rest % shape[axis]]) values[i] = filling;
                rest /= shape[axis];
            }
        }
    }
}
