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
        return Layer(view, Product(input.Shape, weights.Shape), weights, transposed: true);
    }

    public static Operation? QLinearConv(NodeView view) =>
        view.Input(0) is { Shape.Rank: 3 or 4 } input && view.Input(3)?.Constant is { } weights
            ? Requantized(view, ConvGeometry.Of(view.Node, input.Shape, weights.Shape), transposed: false)
            : null;

    public static Operation? QLinearMatMul(NodeView view) =>
        view.Input(0) is { Shape.Rank: 2 } input && view.Input(3)?.Constant is { Shape.Rank: 2 } weights
            ? Requantized(view, Product(input.Shape, weights.Shape), transposed: true)
            : null;

    public static Operation? Quantize(NodeView view) =>
        view.Input(0) is { Type: ElementType.Float32 } && IsByte(view.Output.Type) ? Affine(view) : null;

    public static Operation? Dequantize(NodeView view) =>
        view.Input(0) is { } input && IsByte(input.Type) && view.Output.Type == ElementType.Float32 ? Affine(view) : null;

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

    /// <summary>A matrix product as a 1x1 convolution of one pixel.</summary>
    private static ConvShape Product(TensorShape input, TensorShape weights) =>
        new() { Batch = input[0], InChannels = input[1], InHeight = 1, InWidth = 1, OutChannels = weights[1] };

    /// <summary>A layer with the inputs of QLinearConv and QLinearMatMul: x, scale, zero point, w, scale, zero point, y's scale, zero point and, for the former, a bias.</summary>
    private static QuantizedConvOperation? Requantized(NodeView view, ConvShape shape, bool transposed)
    {
        PlanValue input = view.Input(0)!;
        Tensor weights = view.Input(3)!.Constant!;
        if (!IsByte(input.Type) || !IsByte(weights.Type) || view.Output.Shape.Count == 0 || !IsByte(view.Output.Type)) return null;
        if (Scalar(view, 1) is not { } inputScale || Scalar(view, 2) is not { } inputZero || Scalar(view, 6) is not { } outputScale || Scalar(view, 7) is not { } outputZero) return null;
        if (shape.WeightCount / shape.OutChannels > IntegerConv.MaximumTaps) return null;
        if (PerChannel(view, 4, shape.OutChannels) is not { } weightScales || PerChannel(view, 5, shape.OutChannels) is null) return null;
        if (view.Input(8) is { } bias && bias.Constant is not { Type: ElementType.Int32 }) return null;
        shape.Validate();
        Tensor weightZero = view.Input(5)!.Constant!;
        var scales = new float[shape.OutChannels];
        for (int channel = 0; channel < scales.Length; channel++) scales[channel] = (float)inputScale * weightScales[channel] / (float)outputScale;
        int[] biases = view.Input(8)?.Constant is { } given ? given.Values<int>().ToArray() : new int[shape.OutChannels];
        long largestSum = (long)shape.WeightCount / shape.OutChannels * 255 * 255;
        if (biases.Length != shape.OutChannels || Array.Exists(biases, value => Math.Abs((long)value) + largestSum > int.MaxValue)) return null;
        var operation = new QuantizedConvOperation(
            view.Node.Name, view.Node.OpType, shape, new Requantization((int)inputZero, scales, biases, (int)outputZero),
            () => Centre(weights, weightZero, shape.OutChannels, transposed));
        operation.Inputs.Add(input);
        return operation;
    }

    /// <summary>QuantizeLinear or DequantizeLinear with constant scales, per tensor or per index of an axis.</summary>
    private static QuantizeOperation? Affine(NodeView view)
    {
        PlanValue input = view.Input(0)!;
        int rank = input.Shape.Rank, axis = (int)view.Node.Int("axis", 1);
        if (view.Node.Int("block_size", 0) != 0 || input.Shape.Count == 0) return null;
        if (view.Input(1)?.Constant is not { Type: ElementType.Float32 } scale || (view.Input(2) is { } zero && zero.Constant is null)) return null;
        if (axis < 0) axis += rank;
        int count = scale.Count == 1 ? 1 : axis >= 0 && axis < rank && scale.Count == input.Shape[axis] ? scale.Count : 0;
        if (count == 0 || PerChannel(view, 1, count) is not { } scales) return null;
        float[]? zeros = view.Input(2) is null ? new float[count] : PerChannel(view, 2, count);
        if (zeros is null) return null;
        int inner = 1;
        if (count == 1) inner = input.Shape.Count;
        else foreach (int size in input.Shape.Dimensions[(axis + 1)..]) inner *= size;
        var operation = new QuantizeOperation(view.Node.Name, view.Node.OpType, new ByteScales(scales, Array.ConvertAll(zeros, value => (int)value), inner));
        operation.Inputs.Add(input);
        return operation;
    }

    /// <summary>A constant of one value, or null.</summary>
    private static double? Scalar(NodeView view, int index) =>
        view.Input(index)?.Constant is { Count: 1 } ? PerChannel(view, index, 1)?[0] : null;

    /// <summary>A constant of one value, repeated, or of one per channel; null when it is neither.</summary>
    private static float[]? PerChannel(NodeView view, int index, int channels)
    {
        if (view.Input(index)?.Constant is not { } tensor || (tensor.Count != 1 && tensor.Count != channels)) return null;
        var values = new float[channels];
        for (int channel = 0; channel < channels; channel++)
        {
            int at = tensor.Count == 1 ? 0 : channel;
            if (tensor.Type == ElementType.Float32) values[channel] = tensor.Values<float>()[at];
            else if (IsByte(tensor.Type)) values[channel] = Read(tensor, at);
            else return null;
        }

        return values;
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
