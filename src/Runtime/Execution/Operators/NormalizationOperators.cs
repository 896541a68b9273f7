using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution.Operators;

/// <summary>Batch, instance and local response normalization, and dropout.</summary>
internal static class NormalizationOperators
{
    public static IReadOnlyList<OperatorRow> All { get; } =
    [
        new()
        {
            Name = "BatchNormalization",
            SameType = 1..3,
            TakesFloats = true,
            Shapes = context =>
            {
                RequirePerChannel(context, parameters: 4);
                return IsTraining(context) ? [context.Shape(0), context.Shape(3), context.Shape(4)] : [context.Shape(0)];
            },
            Run = BatchNormalization,
            Type = (context, output) => context.Spec(output switch { 0 => 0, 1 => 3, _ => 4 }).Type,
        },
        new()
        {
            Name = "InstanceNormalization",
            SameType = 0..3,
            TakesFloats = true,
            Shapes = context =>
            {
                RequirePerChannel(context, parameters: 2);
                return [context.Shape(0)];
            },
            Run = context => [Normalization.Instance(context.Tensor(0), context.Tensor(1), context.Tensor(2), context.Node.Float("epsilon", 1e-5f))],
        },
        new()
        {
            Name = "LRN",
            TakesFloats = true,
            Shapes = context => [context.Shape(0)],
            Run = context => [Normalization.LocalResponse(
                context.Tensor(0), context.Int32("size", 0), context.Node.Float("alpha", 1e-4f), context.Node.Float("beta", 0.75f), context.Node.Float("bias", 1))],
        },
        new()
        {
            Name = "Dropout",
            Shapes = context => [context.Shape(0), context.Shape(0)],
            Run = Dropout,
            Type = (context, output) => output == 0 || context.Opset < 10 ? context.Spec(0).Type : ElementType.Bool,
        },
    ];

    private static void RequirePerChannel(NodeContext context, int parameters)
    {
        TensorShape shape = context.Shape(0);
        int channels = shape.Rank switch { 0 => throw context.Invalid("a scalar has no channels."), 1 => 1, _ => shape[1] };
        for (int input = 1; input <= parameters; input++)
        {
            if (context.Shape(input) != new TensorShape(channels))
                throw context.Invalid($"input {input} has shape {context.Shape(input)}, expected [{channels}].");
        }
    }

    private static bool IsTraining(NodeContext context)
    {
        if (context.Node.Int("spatial", 1) == 0) throw context.Unsupported("per-pixel statistics (spatial = 0) are not supported.");
        bool training = context.Node.Int("training_mode", 0) != 0;
        if (!training && Enumerable.Range(1, context.Node.Outputs.Count).Any(context.Wants))
            throw context.Unsupported("statistics outputs need training_mode = 1.");
        return training;
    }

    private static Tensor[] BatchNormalization(NodeContext context)
    {
        float epsilon = context.Node.Float("epsilon", 1e-5f);
        (Tensor input, Tensor scale, Tensor bias, Tensor mean, Tensor variance) =
            (context.Tensor(0), context.Tensor(1), context.Tensor(2), context.Tensor(3), context.Tensor(4));
        if (!IsTraining(context)) return [Normalization.Batch(input, scale, bias, mean, variance, epsilon)];
        (Tensor output, Tensor newMean, Tensor newVariance) =
            Normalization.BatchTraining(input, scale, bias, mean, variance, epsilon, context.Node.Float("momentum", 0.9f));
        return [output, newMean, newVariance];
    }

    private static Tensor[] Dropout(NodeContext context)
    {
        bool training = context.Scalar(2, 0) != 0;
        if (training && context.Scalar(1, 0.5) != 0) throw context.Unsupported("dropout in training mode is random and not supported.");
        Tensor value = context.Tensor(0);
        var mask = new Tensor(ElementType.Bool, value.Shape);
        mask.Values<bool>().Fill(true);
        return [value, context.Opset < 10 ? Casting.Cast(mask, value.Type) : mask];
    }
}
