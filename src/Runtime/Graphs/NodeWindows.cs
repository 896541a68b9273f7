using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Graphs;

/// <summary>Reads the sliding windows of convolution and pooling nodes.</summary>
public static class NodeWindows
{
    /// <summary>The window of a Conv, ConvInteger or QLinearConv node.</summary>
    /// <param name="node">The node.</param>
    /// <param name="input">[N, C, D1, D2, ...].</param>
    /// <param name="weights">[M, C / group, K1, K2, ...].</param>
    /// <exception cref="InvalidDataException">An attribute has the wrong type or value.</exception>
    /// <exception cref="ArgumentException">Attributes and shapes do not fit each other.</exception>
    public static SpatialWindow Convolution(Node node, TensorShape input, TensorShape weights)
    {
        ArgumentNullException.ThrowIfNull(node);
        if (input.Rank < 3 || weights.Rank != input.Rank)
            throw new ArgumentException($"Input {input} and weights {weights} need the same rank of at least 3.");
        ReadOnlySpan<int> kernel = weights.Dimensions[2..];
        if (node.Ints("kernel_shape") is { } declared && !Matches(declared, kernel))
            throw new ArgumentException($"kernel_shape [{string.Join(", ", declared)}] differs from the weights {weights}.");
        return SpatialWindow.Create(
            input.Dimensions[2..], kernel, node.Ints("strides"), node.Ints("dilations"), node.Ints("pads"), AutoPaddingOf(node));
    }

    /// <summary>The number of channel groups of a convolution node.</summary>
    /// <exception cref="InvalidDataException">The attribute has the wrong type or value.</exception>
    public static int Groups(Node node)
    {
        ArgumentNullException.ThrowIfNull(node);
        long groups = node.Int("group", 1);
        return groups is >= 1 and <= int.MaxValue ? (int)groups : throw new InvalidDataException($"Attribute 'group' of node {node} is {groups}, expected at least 1.");
    }

    /// <summary>The window of a MaxPool or AveragePool node.</summary>
    /// <param name="node">The node.</param>
    /// <param name="input">[N, C, D1, D2, ...].</param>
    /// <exception cref="InvalidDataException">An attribute is missing or has the wrong type or value.</exception>
    /// <exception cref="ArgumentException">Attributes and shape do not fit each other.</exception>
    public static SpatialWindow Pooling(Node node, TensorShape input)
    {
        ArgumentNullException.ThrowIfNull(node);
        if (input.Rank < 3) throw new ArgumentException($"Input {input} has no spatial axes.");
        long[] declared = node.Ints("kernel_shape") ?? throw new InvalidDataException($"Node {node} lacks attribute 'kernel_shape'.");
        var kernel = new int[declared.Length];
        for (int axis = 0; axis < kernel.Length; axis++)
        {
            if (declared[axis] is < 1 or > int.MaxValue) throw new InvalidDataException($"kernel_shape[{axis}] of node {node} is {declared[axis]}.");
            kernel[axis] = (int)declared[axis];
        }

        return SpatialWindow.Create(
            input.Dimensions[2..], kernel, node.Ints("strides"), node.Ints("dilations"), node.Ints("pads"), AutoPaddingOf(node), node.Int("ceil_mode", 0) != 0);
    }

    private static AutoPadding AutoPaddingOf(Node node) => node.String("auto_pad", "NOTSET") switch
    {
        "NOTSET" or "" => AutoPadding.NotSet,
        "VALID" => AutoPadding.Valid,
        "SAME_UPPER" => AutoPadding.SameUpper,
        "SAME_LOWER" => AutoPadding.SameLower,
        var other => throw new InvalidDataException($"Attribute 'auto_pad' of node {node} is '{other}', expected NOTSET, VALID, SAME_UPPER or SAME_LOWER."),
    };

    private static bool Matches(long[] declared, ReadOnlySpan<int> kernel)
    {
        if (declared.Length != kernel.Length) return false;
        for (int axis = 0; axis < declared.Length; axis++)
        {
            if (declared[axis] != kernel[axis]) return false;
        }

        return true;
    }
}
