using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Sparsity;

/// <summary>The shape of a layer with weights, read from its node.</summary>
internal static class LayerShape
{
    /// <summary>
    /// The shape for one image of a 1D or 2D convolution or fully connected layer with constant weights; null for any
    /// other node. A fully connected layer is a 1x1 convolution of one pixel.
    /// </summary>
    /// <param name="node">The node.</param>
    /// <param name="graph">Its graph.</param>
    /// <param name="inputShape">Shape of its first input; the batch does not matter.</param>
    public static ConvShape? Of(Node node, Graph graph, TensorShape? inputShape)
    {
        if (node.Input(1) is not { } w || !graph.Initializers.TryGetValue(w, out Tensor? weights)) return null;
        if (weights.Type != ElementType.Float32 || inputShape is not { } input) return null;
        switch (node.OpType)
        {
            case "Gemm" when weights.Shape.Rank == 2 && node.Int("transA", 0) == 0:
                bool transposed = node.Int("transB", 0) != 0;
                return new ConvShape
                {
                    InChannels = weights.Shape[transposed ? 1 : 0],
                    OutChannels = weights.Shape[transposed ? 0 : 1],
                    InHeight = 1,
                    InWidth = 1,
                };
            case "MatMul" when weights.Shape.Rank == 2 && input.Rank == 2:
                return new ConvShape { InChannels = weights.Shape[0], OutChannels = weights.Shape[1], InHeight = 1, InWidth = 1 };
            case "Conv" when input.Rank is 3 or 4 && weights.Shape.Rank == input.Rank:
                return OfConv(node, input, weights.Shape);
            default:
                return null;
        }
    }

    private static ConvShape OfConv(Node node, TensorShape input, TensorShape weights)
    {
        bool flat = input.Rank == 3;
        int Spatial(long[]? values, int axis, int absent) =>
            values is null ? absent : flat ? (axis == 0 ? absent : (int)values[0]) : (int)values[axis];

        int height = flat ? 1 : input[2], width = input[-1], kernelHeight = flat ? 1 : weights[2], kernelWidth = weights[-1];
        int strideY = Spatial(node.Ints("strides"), 0, 1), strideX = Spatial(node.Ints("strides"), 1, 1);
        int dilationY = Spatial(node.Ints("dilations"), 0, 1), dilationX = Spatial(node.Ints("dilations"), 1, 1);
        (int top, int bottom) = Padding(node, 0, flat, height, kernelHeight, strideY, dilationY);
        (int left, int right) = Padding(node, flat ? 0 : 1, false, width, kernelWidth, strideX, dilationX);
        if (flat) (top, bottom) = (0, 0);
        return new ConvShape
        {
            InChannels = input[1],
            InHeight = height,
            InWidth = width,
            OutChannels = weights[0],
            KernelHeight = kernelHeight,
            KernelWidth = kernelWidth,
            StrideY = strideY,
            StrideX = strideX,
            PadTop = top,
            PadBottom = bottom,
            PadLeft = left,
            PadRight = right,
            DilationY = dilationY,
            DilationX = dilationX,
            Groups = (int)node.Int("group", 1),
        };
    }

    private static (int Before, int After) Padding(Node node, int axis, bool absentAxis, int size, int kernel, int stride, int dilation)
    {
        if (absentAxis) return (0, 0);
        string automatic = node.String("auto_pad", "NOTSET");
        if (automatic is "SAME_UPPER" or "SAME_LOWER")
        {
            int total = Math.Max(0, ((((size + stride - 1) / stride) - 1) * stride) + ((kernel - 1) * dilation) + 1 - size);
            int small = total / 2;
            return automatic == "SAME_UPPER" ? (small, total - small) : (total - small, small);
        }

        return node.Ints("pads") is { } pads ? ((int)pads[axis], (int)pads[(pads.Length / 2) + axis]) : (0, 0);
    }
}
