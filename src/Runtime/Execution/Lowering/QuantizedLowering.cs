using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Quantized;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>Layers of 8-bit integers with constant weights.</summary>
internal static class QuantizedLowering
{
    public static Operation? ConvInteger(NodeView view)
    {
        if (view.Input(0) is not { Shape.Rank: 3 or 4 } input || view.Input(1)?.Constant is not { } weights) return null;
        return Layer(view, ConvGeometry.Of(view.Node, input.Shape, weights.Shape), weights, transposed: false);
    }

    public static Operation? MatMulInteger(NodeView view)
    {
        if (view.Input(0) is not { Shape.Rank: 2 } input || view.Input(1)?.Constant is not { Shape.Rank: 2 } weights) return null;
        var shape = new ConvShape { Batch = input.Shape[0], InChannels = input.Shape[1], InHeight = 1, InWidth = 1, OutChannels = weights.Shape[1] };
        return Layer(view, shape, weights, transposed: true);
    }

    public static Operation? DynamicQuantize(NodeView view)
    {
        if (view.Input(0) is not { Type: ElementType.Float32, Shape.Count: > 0 } input || view.Outputs is not [{ } values, { } scale, { } zeroPoint]) return null;
        var operation = new DynamicQuantizeOperation(view.Node.Name);
        operation.Inputs.Add(input);
        operation.Outputs.AddRange([values, scale, zeroPoint]);
        return operation;
    }

    public static Operation? Cast(NodeView view)
    {
        if (view.Input(0) is not { Type: ElementType.Int32, Constant: null } input || view.Output.Type != ElementType.Float32) return null;
        var operation = new ConvertOperation(view.Node.Name);
        operation.Inputs.Add(input);
        return operation;
    }

    private static IntegerConvOperation? Layer(NodeView view, ConvShape shape, Tensor weights, bool transposed)
    {
        PlanValue input = view.Input(0)!;
        if (!IsByte(input.Type) || !IsByte(weights.Type) || view.Output.Shape.Count == 0) return null;
        if (shape.WeightCount / shape.OutChannels > IntegerConv.MaximumTaps) return null;
        if (view.Input(2) is { } zeroPoint && zeroPoint.Shape.Count != 1) return null;
        Tensor? weightZero = view.Input(3)?.Constant;
        if (view.Input(3) is not null && (weightZero is null || (weightZero.Count != 1 && weightZero.Count != shape.OutChannels))) return null;
        shape.Validate();
        var operation = new IntegerConvOperation(view.Node.Name, view.Node.OpType, shape, () => Centre(weights, weightZero, shape.OutChannels, transposed));
        operation.Inputs.Add(input);
        if (view.Input(2) is { } given) operation.Inputs.Add(given);
        return operation;
    }

    private static bool IsByte(ElementType type) => type is ElementType.Int8 or ElementType.UInt8;

    /// <summary>Weights in the order of a convolution, less their zero point.</summary>
    private static short[] Centre(Tensor weights, Tensor? zeroPoint, int outputs, bool transposed)
    {
        var result = new short[weights.Count];
        int taps = weights.Count / outputs;
        for (int output = 0; output < outputs; output++)
        {
            int zero = zeroPoint is null ? 0 : Read(zeroPoint, zeroPoint.Count == 1 ? 0 : output);
            for (int tap = 0; tap < taps; tap++)
                result[(output * taps) + tap] = (short)(Read(weights, transposed ? (tap * outputs) + output : (output * taps) + tap) - zero);
        }

        return result;
    }

    private static int Read(Tensor tensor, int index) => tensor.Type == ElementType.Int8 ? (sbyte)tensor.Bytes[index] : tensor.Bytes[index];
}
