using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution.Operators;

/// <summary>Functions of single elements, and softmax.</summary>
internal static class ActivationOperators
{
    public static IReadOnlyList<OperatorRow> All { get; } =
    [
        SameShape("Relu", context => UnaryFunctions.Apply<ReluOperator>(context.Tensor(0))),
        SameShape("Abs", context => UnaryFunctions.Apply<AbsOperator>(context.Tensor(0))),
        SameShape("Neg", context => UnaryFunctions.Apply<NegateOperator>(context.Tensor(0))),
        SameShape("Sign", context => UnaryFunctions.Apply<SignOperator>(context.Tensor(0))),
        SameShape("Not", context => UnaryFunctions.Not(context.Tensor(0))),
        OnFloats("LeakyRelu", context => LeakyRelu(context.Tensor(0), context.Node.Float("alpha", 0.01f))),
        OnFloats("Elu", context => Elu(context.Tensor(0), context.Node.Float("alpha", 1))),
        OnFloats("HardSigmoid", context => HardSigmoid(context.Tensor(0), context.Node.Float("alpha", 0.2f), context.Node.Float("beta", 0.5f))),
        SameShape("Shrink", context => Shrink(context.Tensor(0), context.Node.Float("lambd", 0.5f), context.Node.Float("bias", 0))),
        Real("HardSwish", x => x * Math.Clamp((x / 6) + 0.5, 0, 1)),
        Real("Sigmoid", x => 1 / (1 + Math.Exp(-x))),
        Real("Tanh", Math.Tanh),
        Real("Exp", Math.Exp),
        Real("Log", Math.Log),
        Real("Sqrt", Math.Sqrt),
        Real("Erf", UnaryFunctions.Erf),
        Real("Reciprocal", x => 1 / x),
        Real("Floor", Math.Floor),
        Real("Ceil", Math.Ceiling),
        Real("Round", x => Math.Round(x, MidpointRounding.ToEven)),
        Real("Softplus", x => Math.Max(x, 0) + Math.Log(1 + Math.Exp(-Math.Abs(x)))),
        new() { Name = "Clip", Shapes = context => [context.Shape(0)], Run = context => [Clip(context)], SameType = 0..3 },
        OnFloats("Softmax", context => NormalizedExponential(context, logarithm: false)),
        OnFloats("LogSoftmax", context => NormalizedExponential(context, logarithm: true)),
    ];

    private static OperatorRow SameShape(string name, Func<NodeContext, Tensor> function) => new()
    {
        Name = name,
        Shapes = context => [context.Shape(0)],
        Run = context => [function(context)],
    };

    private static OperatorRow OnFloats(string name, Func<NodeContext, Tensor> function) => new()
    {
        Name = name,
        Shapes = context => [context.Shape(0)],
        Run = context => [function(context)],
        TakesFloats = true,
    };

    private static OperatorRow Real(string name, Func<double, double> function) =>
        OnFloats(name, context => UnaryFunctions.Map(context.Tensor(0), function));

    private static Tensor LeakyRelu(Tensor value, double alpha) => UnaryFunctions.Map(value, x => x < 0 ? alpha * x : x);

    private static Tensor Elu(Tensor value, double alpha) => UnaryFunctions.Map(value, x => x < 0 ? alpha * (Math.Exp(x) - 1) : x);

    private static Tensor HardSigmoid(Tensor value, double alpha, double beta) =>
        UnaryFunctions.Map(value, x => Math.Clamp((alpha * x) + beta, 0, 1));

    private static Tensor Shrink(Tensor value, double threshold, double bias) =>
        UnaryFunctions.Map(value, x => x < -threshold ? x + bias : x > threshold ? x - bias : 0);

    private static Tensor Clip(NodeContext context)
    {
        Tensor value = context.Tensor(0);
        (Tensor? low, Tensor? high) = (context.OptionalTensor(1), context.OptionalTensor(2));
        if (context.Opset < 11)
        {
            // Bounds became inputs in operator set 11; before, they were attributes and the operand a float.
            low = context.Node.Attributes.ContainsKey("min") ? Casting.Cast(Tensor.Scalar(context.Node.Float("min", 0)), value.Type) : null;
            high = context.Node.Attributes.ContainsKey("max") ? Casting.Cast(Tensor.Scalar(context.Node.Float("max", 0)), value.Type) : null;
        }

        TensorShape shape = value.Shape;
        if (low is not null) value = Elementwise.Binary<MaximumOperator>(value, RequireOne(context, low));
        if (high is not null) value = Elementwise.Binary<MinimumOperator>(value, RequireOne(context, high));
        return value.Reshape(shape);
    }

    private static Tensor RequireOne(NodeContext context, Tensor bound) =>
        bound.Count == 1 ? bound : throw context.Invalid($"a bound has shape {bound.Shape}, expected one element.");

    private static Tensor NormalizedExponential(NodeContext context, bool logarithm)
    {
        Tensor value = context.Tensor(0);
        bool throughLastAxis = context.Opset < 13;
        long axis = context.Node.Int("axis", throughLastAxis ? 1 : -1);
        int rank = value.Shape.Rank;
        int resolved = throughLastAxis && axis == rank ? rank : rank == 0 ? 0 : Axes.Resolve(axis, rank);
        return Softmax.Run(value, resolved, throughLastAxis, logarithm);
    }
}
