using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution.Operators;

/// <summary>Resizing of axes.</summary>
internal static class ResizeOperators
{
    public static IReadOnlyList<OperatorRow> All { get; } =
    [
        new()
        {
            Name = "Resize",
            Shapes = context => [ShapeOf(context, AxesOf(context))],
            Run = Run,
            ShapeInputs = [1, 2, 3],
        },
        new()
        {
            Name = "Upsample",
            Shapes = context => [ShapeOf(context, AxesOf(context))],
            Run = Run,
            ShapeInputs = [1],
        },
    ];

    /// <summary>What a node asks for, its scales or sizes being known.</summary>
    /// <exception cref="InvalidDataException">The node is inconsistent.</exception>
    public static (AxisResize[] Axes, ResizeSettings Settings) Describe(NodeContext context) => (AxesOf(context), SettingsOf(context));

    private static Tensor[] Run(NodeContext context)
    {
        (AxisResize[] axes, ResizeSettings settings) = Describe(context);
        return [Resizing.Resize(context.Tensor(0), axes, settings)];
    }

    // Upsample and Resize of operator set 10 have one meaning of positions; later sets made it an attribute.
    private static bool IsFirstForm(NodeContext context) => context.Node.OpType == "Upsample" || context.Opset < 11;

    private static TensorShape ShapeOf(NodeContext context, AxisResize[] axes)
    {
        int[] result = context.Shape(0).Dimensions.ToArray();
        foreach (AxisResize axis in axes) result[axis.Axis] = axis.Size;
        return new TensorShape(result);
    }

    private static AxisResize[] AxesOf(NodeContext context)
    {
        TensorShape shape = context.Shape(0);
        long[] listed = IsFirstForm(context) ? [] : context.Node.Ints("axes") ?? [];
        if (listed.Length == 0) listed = Enumerable.Range(0, shape.Rank).Select(axis => (long)axis).ToArray();
        Axes.Mark(listed, shape.Rank);
        int[] axes = listed.Select(axis => Axes.Resolve(axis, shape.Rank)).ToArray();
        double[]? scales = ScalesOf(context);
        long[]? sizes = !IsFirstForm(context) && context.Has(3) && context.Shape(3).Count > 0 ? context.IntsOf(3) : null;
        if (scales is null == sizes is null) throw context.Invalid("it needs either scales or sizes.");
        if ((scales?.Length ?? sizes!.Length) != axes.Length) throw context.Invalid($"{scales?.Length ?? sizes!.Length} scales or sizes do not fit {axes.Length} axes.");
        double[] region = RegionOf(context, axes.Length);
        var result = new AxisResize[axes.Length];
        if (sizes is not null) scales = Stretch(context, shape, axes, sizes);
        for (int i = 0; i < axes.Length; i++)
        {
            double length = shape[axes[i]] * scales![i];
            double size = sizes is null ? Math.Floor(length) : IsStretched(context) ? sizes[i] : Math.Floor(length + 0.5);
            if (!(scales[i] > 0) || !(size <= int.MaxValue) || size < 0) throw context.Invalid($"axis {axes[i]} of {shape} cannot be scaled by {scales[i]}.");
            result[i] = new AxisResize(axes[i], (int)size, scales[i], region[i], region[axes.Length + i]);
        }

        return result;
    }

    private static double[]? ScalesOf(NodeContext context)
    {
        if (context.Node.Floats("scales") is { } attribute) return attribute.Select(scale => (double)scale).ToArray();
        int input = IsFirstForm(context) ? 1 : 2;
        if (!context.Has(input) || context.Shape(input).Count == 0) return null;
        return Casting.Cast(context.Tensor(input), ElementType.Float64).Values<double>().ToArray();
    }

    private static double[] RegionOf(NodeContext context, int axes)
    {
        if (SettingsOf(context).Mapping == CoordinateMapping.CropAndResize)
        {
            double[] given = context.Has(1) ? Casting.Cast(context.Tensor(1), ElementType.Float64).Values<double>().ToArray() : [];
            return given.Length == 2 * axes ? given : throw context.Invalid($"its region of interest has {given.Length} values, expected {2 * axes}.");
        }

        return [.. new double[axes], .. Enumerable.Repeat(1.0, axes)];
    }

    private static bool IsStretched(NodeContext context) => context.Node.String("keep_aspect_ratio_policy", "stretch") == "stretch";

    // Scales from sizes; one common scale when the aspect ratio is kept.
    private static double[] Stretch(NodeContext context, TensorShape shape, int[] axes, long[] sizes)
    {
        double[] scales = axes.Select((axis, i) => shape[axis] == 0 ? 1.0 : (double)sizes[i] / shape[axis]).ToArray();
        string policy = context.Node.String("keep_aspect_ratio_policy", "stretch");
        double? common = policy switch
        {
            "stretch" => null,
            "not_larger" => scales.Min(),
            "not_smaller" => scales.Max(),
            _ => throw context.Invalid($"keep_aspect_ratio_policy '{policy}' is not stretch, not_larger or not_smaller."),
        };
        return common is { } scale ? scales.Select(_ => scale).ToArray() : scales;
    }

    private static ResizeSettings SettingsOf(NodeContext context)
    {
        Interpolation interpolation = context.Node.String("mode", "nearest") switch
        {
            "nearest" => Interpolation.Nearest,
            "linear" or "bilinear" => Interpolation.Linear,
            "cubic" when !IsFirstForm(context) => Interpolation.Cubic,
            var other => throw context.Invalid($"mode '{other}' is not nearest, linear or cubic."),
        };
        if (IsFirstForm(context))
        {
            return new ResizeSettings { Interpolation = interpolation, Mapping = CoordinateMapping.Asymmetric, Rounding = NearestRounding.Floor };
        }

        return new ResizeSettings
        {
            Interpolation = interpolation,
            Mapping = context.Node.String("coordinate_transformation_mode", "half_pixel") switch
            {
                "half_pixel" => CoordinateMapping.HalfPixel,
                "half_pixel_symmetric" => CoordinateMapping.HalfPixelSymmetric,
                "pytorch_half_pixel" => CoordinateMapping.PytorchHalfPixel,
                "align_corners" => CoordinateMapping.AlignCorners,
                "asymmetric" => CoordinateMapping.Asymmetric,
                "tf_half_pixel_for_nn" => CoordinateMapping.TensorFlowHalfPixel,
                "tf_crop_and_resize" => CoordinateMapping.CropAndResize,
                var other => throw context.Invalid($"coordinate_transformation_mode '{other}' is not known."),
            },
            Rounding = context.Node.String("nearest_mode", "round_prefer_floor") switch
            {
                "round_prefer_floor" => NearestRounding.PreferFloor,
                "round_prefer_ceil" => NearestRounding.PreferCeil,
                "floor" => NearestRounding.Floor,
                "ceil" => NearestRounding.Ceil,
                var other => throw context.Invalid($"nearest_mode '{other}' is not known."),
            },
            CubicCoefficient = context.Node.Float("cubic_coeff_a", -0.75f),
            ExcludeOutside = context.Node.Int("exclude_outside", 0) != 0,
            ExtrapolationValue = context.Node.Float("extrapolation_value", 0),
            Antialias = context.Node.Int("antialias", 0) != 0,
        };
    }
}
