using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution.Operators;

/// <summary>Operators that change or read shapes, and constants.</summary>
internal static class ShapeOperators
{
    public static IReadOnlyList<OperatorRow> All { get; } =
    [
        new() { Name = "Identity", Shapes = context => [context.Shape(0)], Run = context => [context.Tensor(0)] },
        Reshaping("Reshape", Reshaped, [1]),
        Reshaping("Flatten", Flattened, []),
        Reshaping("Squeeze", Squeezed, [1]),
        Reshaping("Unsqueeze", Unsqueezed, [1]),
        new()
        {
            Name = "Expand",
            Shapes = context => [Broadcasting.Combine(context.Shape(0), ShapeFrom(context, 1))],
            Run = context => [Broadcasting.Expand(context.Tensor(0), Broadcasting.Combine(context.Shape(0), ShapeFrom(context, 1)))],
            ShapeInputs = [1],
        },
        new()
        {
            Name = "Shape",
            Shapes = context => [new TensorShape(DimensionsOf(context).Length)],
            Run = context => [Tensor.From<long>(new TensorShape(DimensionsOf(context).Length), DimensionsOf(context))],
            Type = (_, _) => ElementType.Int64,
            ReadsShapesOnly = true,
        },
        new()
        {
            Name = "Size",
            Shapes = _ => [new TensorShape()],
            Run = context => [Tensor.Scalar((long)context.Shape(0).Count)],
            Type = (_, _) => ElementType.Int64,
            ReadsShapesOnly = true,
        },
        new()
        {
            Name = "Constant",
            Shapes = context => [ConstantOf(context).Shape],
            Run = context => [ConstantOf(context)],
            Type = (context, _) => ConstantOf(context).Type,
        },
        new()
        {
            Name = "ConstantOfShape",
            Shapes = context => [ShapeFrom(context, 0)],
            Run = context => [Broadcasting.Expand(FillingOf(context), ShapeFrom(context, 0))],
            Type = (context, _) => FillingOf(context).Type,
            ShapeInputs = [0],
        },
    ];

    private static OperatorRow Reshaping(string name, Func<NodeContext, TensorShape> shape, int[] shapeInputs) => new()
    {
        Name = name,
        Shapes = context => [shape(context)],
        Run = context => [context.Tensor(0).Reshape(shape(context))],
        ShapeInputs = shapeInputs,
    };

    private static TensorShape Reshaped(NodeContext context)
    {
        TensorShape shape = context.Shape(0);
        long[] target = context.IntsOf(1);
        bool zeroIsSize = context.Node.Int("allowzero", 0) != 0;
        var result = new int[target.Length];
        int inferred = -1;
        long count = 1;
        for (int axis = 0; axis < target.Length; axis++)
        {
            long size = target[axis];
            if (size == 0 && !zeroIsSize)
            {
                if (axis >= shape.Rank) throw context.Invalid($"target [{string.Join(", ", target)}] copies axis {axis}, which {shape} lacks.");
                size = shape[axis];
            }
            else if (size == -1)
            {
                if (inferred >= 0) throw context.Invalid($"target [{string.Join(", ", target)}] leaves more than one axis open.");
                inferred = axis;
                continue;
            }

            if (size is < 0 or > int.MaxValue) throw context.Invalid($"target [{string.Join(", ", target)}] has an invalid size.");
            result[axis] = (int)size;
            count = Math.Min(count * size, long.MaxValue >> 32);
        }

        if (inferred >= 0)
        {
            if (count == 0 || shape.Count % count != 0) throw context.Invalid($"{shape} does not reshape to [{string.Join(", ", target)}].");
            result[inferred] = (int)(shape.Count / count);
        }
        else if (count != shape.Count)
        {
            throw context.Invalid($"{shape} does not reshape to [{string.Join(", ", target)}].");
        }

        return new TensorShape(result);
    }

    private static TensorShape Flattened(NodeContext context)
    {
        TensorShape shape = context.Shape(0);
        long axis = context.Node.Int("axis", 1);
        int at = axis == shape.Rank ? shape.Rank : Axes.Resolve(axis, shape.Rank);
        int rows = 1;
        int columns = 1;
        for (int i = 0; i < shape.Rank; i++)
        {
            if (i < at) rows = checked(rows * shape[i]);
            else columns = checked(columns * shape[i]);
        }

        return new TensorShape(rows, columns);
    }

    private static TensorShape Squeezed(NodeContext context)
    {
        TensorShape shape = context.Shape(0);
        bool[]? removed = context.Ints("axes", 1) is { } axes ? Axes.Mark(axes, shape.Rank) : null;
        var result = new List<int>();
        for (int axis = 0; axis < shape.Rank; axis++)
        {
            bool remove = removed?[axis] ?? shape[axis] == 1;
            if (remove && shape[axis] != 1) throw context.Invalid($"axis {axis} of {shape} has not size 1.");
            if (!remove) result.Add(shape[axis]);
        }

        return new TensorShape(result.ToArray());
    }

    private static TensorShape Unsqueezed(NodeContext context)
    {
        TensorShape shape = context.Shape(0);
        long[] axes = context.Ints("axes", 1) ?? throw context.Invalid("it names no axes.");
        bool[] added = Axes.Mark(axes, shape.Rank + axes.Length);
        var result = new int[added.Length];
        for (int axis = 0, from = 0; axis < result.Length; axis++) result[axis] = added[axis] ? 1 : shape[from++];
        return new TensorShape(result);
    }

    private static TensorShape ShapeFrom(NodeContext context, int input)
    {
        long[] sizes = context.IntsOf(input);
        var result = new int[sizes.Length];
        for (int axis = 0; axis < result.Length; axis++)
        {
            if (sizes[axis] is < 0 or > int.MaxValue) throw context.Invalid($"size {sizes[axis]} of axis {axis} is out of range.");
            result[axis] = (int)sizes[axis];
        }

        return new TensorShape(result);
    }

    private static long[] DimensionsOf(NodeContext context)
    {
        TensorShape shape = context.Shape(0);
        int start = Bound(context.Node.Int("start", 0));
        int end = Bound(context.Node.Int("end", shape.Rank));
        var result = new List<long>();
        for (int axis = start; axis < end; axis++) result.Add(shape[axis]);
        return [.. result];

        int Bound(long position) => (int)Math.Clamp(position < 0 ? position + shape.Rank : position, 0, shape.Rank);
    }

    private static Tensor ConstantOf(NodeContext context)
    {
        foreach ((string name, object value) in context.Node.Attributes)
        {
            switch (name, value)
            {
                case ("value", Tensor tensor): return tensor;
                case ("value_float", float number): return Tensor.Scalar(number);
                case ("value_int", long number): return Tensor.Scalar(number);
                case ("value_floats", float[] numbers): return Tensor.From<float>(new TensorShape(numbers.Length), numbers);
                case ("value_ints", long[] numbers): return Tensor.From<long>(new TensorShape(numbers.Length), numbers);
                case ("value_string", _) or ("value_strings", _): throw context.Unsupported("string tensors are not supported.");
            }
        }

        throw context.Invalid("it holds no value.");
    }

    private static Tensor FillingOf(NodeContext context)
    {
        if (!context.Node.Attributes.TryGetValue("value", out object? value)) return Tensor.Scalar(0f);
        return value is Tensor { Count: 1 } one ? one.Reshape(new TensorShape()) : throw context.Invalid("attribute 'value' is no tensor of one element.");
    }
}
