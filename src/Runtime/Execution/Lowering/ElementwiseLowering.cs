using CoInference.Kernels.Simd.Elementwise;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>Elementwise operators and softmax.</summary>
internal static class ElementwiseLowering
{
    public static Operation? Relu(NodeView view) => Unary(view, UnaryFunction.Clamp, 0, float.PositiveInfinity);

    public static Operation? Clip(NodeView view)
    {
        if (view.Opset < 11)
            return Unary(view, UnaryFunction.Clamp, view.Node.Float("min", float.NegativeInfinity), view.Node.Float("max", float.PositiveInfinity));
        return view.Scalar(1, float.NegativeInfinity) is { } minimum && view.Scalar(2, float.PositiveInfinity) is { } maximum
            ? Unary(view, UnaryFunction.Clamp, minimum, maximum)
            : null;
    }

    public static Operation? LeakyRelu(NodeView view) => Unary(view, UnaryFunction.LeakyRelu, view.Node.Float("alpha", 0.01f));

    public static Operation? Sigmoid(NodeView view) => Unary(view, UnaryFunction.Sigmoid);

    public static Operation? HardSigmoid(NodeView view) =>
        Unary(view, UnaryFunction.HardSigmoid, view.Node.Float("alpha", 0.2f), view.Node.Float("beta", 0.5f));

    public static Operation? HardSwish(NodeView view) => Unary(view, UnaryFunction.HardSwish);

    public static Operation? Tanh(NodeView view) => Unary(view, UnaryFunction.Tanh);

    public static Operation? Elu(NodeView view) => Unary(view, UnaryFunction.Elu, view.Node.Float("alpha", 1));

    public static Operation? LocalResponseNormalization(NodeView view)
    {
        long size = view.Node.Int("size", 0);
        if (!view.IsFloat || view.Input(0)!.Shape.Rank < 2 || size is < 1 or > int.MaxValue) return null;
        var operation = new LocalResponseOperation(
            view.Node.Name, (int)size, view.Node.Float("alpha", 1e-4f), view.Node.Float("beta", 0.75f), view.Node.Float("bias", 1));
        operation.Inputs.Add(view.Input(0)!);
        return operation;
    }

    public static Operation? Sqrt(NodeView view) => Unary(view, UnaryFunction.Sqrt);

    public static Operation? Exp(NodeView view) => Unary(view, UnaryFunction.Exp);

    public static Operation? Add(NodeView view) => Binary(view, BinaryFunction.Add, BinaryFunction.Add);

    public static Operation? Subtract(NodeView view) => Binary(view, BinaryFunction.Subtract, BinaryFunction.SubtractFrom);

    public static Operation? Multiply(NodeView view) => Binary(view, BinaryFunction.Multiply, BinaryFunction.Multiply);

    public static Operation? Divide(NodeView view) => Binary(view, BinaryFunction.Divide, BinaryFunction.DivideInto);

    public static Operation? Power(NodeView view) => Binary(view, BinaryFunction.Power, null);

    public static Operation? PRelu(NodeView view) => Binary(view, BinaryFunction.PRelu, null);

    public static Operation? Softmax(NodeView view) => Softmax(view, isLog: false);

    public static Operation? LogSoftmax(NodeView view) => Softmax(view, isLog: true);

    public static Operation? BatchNormalization(NodeView view)
    {
        if (!view.IsFloat || view.Output.Image is not { } image || view.Node.Int("training_mode", 0) != 0 || view.Node.Outputs.Count != 1) return null;
        var constants = new float[4][];
        for (int i = 0; i < constants.Length; i++)
        {
            if (view.Input(i + 1)?.Constant is not { Type: ElementType.Float32 } constant || constant.Count != image.Channels) return null;
            constants[i] = constant.Values<float>().ToArray();
        }

        double epsilon = view.Node.Float("epsilon", 1e-5f);
        var scale = new float[image.Channels];
        var shift = new float[image.Channels];
        for (int c = 0; c < scale.Length; c++)
        {
            double factor = constants[0][c] / Math.Sqrt(constants[3][c] + epsilon);
            scale[c] = (float)factor;
            shift[c] = (float)(constants[1][c] - (constants[2][c] * factor));
        }

        var operation = new ScaleShiftOperation(view.Node.Name, view.Node.OpType, scale, shift);
        operation.Inputs.Add(view.Input(0)!);
        return operation;
    }

    private static UnaryOperation? Unary(NodeView view, UnaryFunction function, float alpha = 0, float beta = 0)
    {
        if (!view.IsFloat) return null;
        var operation = new UnaryOperation(view.Node.Name, view.Node.OpType, function, alpha, beta);
        operation.Inputs.Add(view.Input(0)!);
        return operation;
    }

    /// <param name="view">The node.</param>
    /// <param name="function">The function of the operands in their order.</param>
    /// <param name="exchanged">The function that gives the same with the operands exchanged; null when there is none.</param>
    private static BinaryOperation? Binary(NodeView view, BinaryFunction function, BinaryFunction? exchanged)
    {
        if (!view.IsFloat || view.Input(1) is not { Type: ElementType.Float32 } second) return null;
        PlanValue first = view.Input(0)!;
        return Spread(view, function, first, second)
            ?? (exchanged is { } other ? Spread(view, other, second, first) : null);
    }

    /// <summary>A step whose second operand is spread over the first, or null when it is not spread in a way that is fast.</summary>
    private static BinaryOperation? Spread(NodeView view, BinaryFunction function, PlanValue first, PlanValue second)
    {
        if (first.Shape != view.Output.Shape) return null;
        if (second.Shape == first.Shape && first.Constant is null && second.Constant is null)
            return Create(view, function, Broadcast.None, first, second);
        if (second.Shape.Count == 1) return Create(view, function, Broadcast.Scalar, first, second);
        if (PerChannel(view.Output, second) is { } perChannel) return Create(view, function, Broadcast.Channel, first, perChannel);
        return second.Shape == first.Shape ? Create(view, function, Broadcast.None, first, second) : null;
    }

    private static BinaryOperation Create(NodeView view, BinaryFunction function, Broadcast broadcast, PlanValue first, PlanValue second)
    {
        var operation = new BinaryOperation(view.Node.Name, view.Node.OpType, function, broadcast);
        operation.Inputs.Add(first);
        operation.Inputs.Add(second);
        return operation;
    }

    /// <summary>The operand as an image of one pixel when it has one value per channel of the output, else null.</summary>
    private static PlanValue? PerChannel(PlanValue output, PlanValue operand)
    {
        if (output.Image is not { } image || operand.Shape.Rank > output.Shape.Rank) return null;
        int missing = output.Shape.Rank - operand.Shape.Rank;
        for (int axis = 0; axis < output.Shape.Rank; axis++)
        {
            int size = axis < missing ? 1 : operand.Shape[axis - missing];
            bool fits = axis == 1 ? size == image.Channels : size == 1 || (axis == 0 && size == image.Batch);
            if (!fits) return null;
        }

        if (missing == 0) return operand.Image is { Pixels: 1 } ? operand : null;
        if (operand.Constant is not { } constant) return null;
        var shape = new TensorShape(1, image.Channels);
        return new PlanValue(operand.Name, operand.Type, shape) { Constant = constant.Reshape(shape) };
    }

    private static SoftmaxOperation? Softmax(NodeView view, bool isLog)
    {
        if (!view.IsFloat) return null;
        TensorShape shape = view.Output.Shape;
        int axis = (int)view.Node.Int("axis", view.Opset < 13 ? 1 : -1);
        if (axis < 0) axis += shape.Rank;
        int row = 1;
        for (int i = axis; i < shape.Rank; i++) row *= shape[i];
        // Before opset 13 everything from the axis on is one row; since then only the axis itself is.
        if (view.Opset >= 13 && row != shape[axis]) return null;
        var operation = new SoftmaxOperation(view.Node.Name, view.Node.OpType, row, isLog);
        operation.Inputs.Add(view.Input(0)!);
        return operation;
    }
}
