using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>Layers with constant weights.</summary>
internal static class LayerLowering
{
    public static Operation? Conv(NodeView view)
    {
        if (!view.IsFloat || view.Input(0)!.Shape.Rank is not (3 or 4) || view.Input(1)?.Constant is not { } weights) return null;
        Tensor? bias = view.Input(2)?.Constant;
        if (view.Input(2) is not null && bias is null) return null;
        ConvShape shape = ConvGeometry.Of(view.Node, view.Input(0)!.Shape, weights.Shape);
        return Layer(view, "Conv", shape, new LayerWeights(weights, bias, shape.OutChannels));
    }

    public static Operation? Gemm(NodeView view)
    {
        if (!view.IsFloat || view.Node.Int("transA", 0) != 0 || view.Input(1)?.Constant is not { } weights) return null;
        bool transposed = view.Node.Int("transB", 0) == 0;
        int outputs = weights.Shape[transposed ? 1 : 0];
        Tensor? bias = view.Input(2)?.Constant;
        if (view.Input(2) is not null && (bias is null || !IsRow(bias.Shape, outputs))) return null;
        var layer = new LayerWeights(weights, bias, outputs, transposed, view.Node.Float("alpha", 1), view.Node.Float("beta", 1));
        return FullyConnected(view, layer);
    }

    public static Operation? MatMul(NodeView view)
    {
        if (!view.IsFloat || view.Input(0)!.Shape.Rank != 2 || view.Input(1)?.Constant is not { Shape.Rank: 2 } weights) return null;
        return FullyConnected(view, new LayerWeights(weights, null, weights.Shape[1], Transposed: true));
    }

    private static ConvOperation? FullyConnected(NodeView view, LayerWeights layer)
    {
        TensorShape input = view.Input(0)!.Shape;
        var shape = new ConvShape { Batch = input[0], InChannels = input[1], InHeight = 1, InWidth = 1, OutChannels = layer.OutChannels };
        return Layer(view, "Gemm", shape, layer);
    }

    private static ConvOperation? Layer(NodeView view, string op, ConvShape shape, LayerWeights weights)
    {
        shape.Validate();
        if (view.Context.Chooser.Convolutions(shape, default, weights.Zeros, view.Context.Threads, view.Context.Precise).Count == 0) return null;
        var operation = new ConvOperation(view.Node.Name, op, shape, weights);
        operation.Inputs.Add(view.Input(0)!);
        return operation;
    }

    private static bool IsRow(TensorShape shape, int length)
    {
        for (int axis = 0; axis < shape.Rank - 1; axis++)
        {
            if (shape[axis] != 1) return false;
        }

        return shape.Count == 1 || shape.Count == length;
    }
}
