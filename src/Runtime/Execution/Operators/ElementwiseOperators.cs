using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution.Operators;

/// <summary>Arithmetic, comparison and logic on pairs of elements, with broadcasting.</summary>
internal static class ElementwiseOperators
{
    public static IReadOnlyList<OperatorRow> All { get; } =
    [
        Binary("Add", Elementwise.Binary<AddOperator>),
        Binary("Sub", Elementwise.Binary<SubtractOperator>),
        Binary("Mul", Elementwise.Binary<MultiplyOperator>),
        Binary("Div", Elementwise.Binary<DivideOperator>),
        Binary("Pow", Elementwise.Power),
        Variadic("Min", Elementwise.Binary<MinimumOperator>),
        Variadic("Max", Elementwise.Binary<MaximumOperator>),
        Variadic("Sum", Elementwise.Binary<AddOperator>),
        new()
        {
            Name = "PRelu",
            SameType = 0..2,
            Shapes = context =>
            {
                // The slope broadcasts to the input, not the other way round.
                Broadcasting.Strides(context.Shape(1), context.Shape(0));
                return [context.Shape(0)];
            },
            Run = context => [Elementwise.Binary<PReluOperator>(context.Tensor(0), context.Tensor(1))],
        },
        Compare("Equal", Comparison.Equal),
        Compare("Less", Comparison.Less),
        Compare("LessOrEqual", Comparison.LessOrEqual),
        Compare("Greater", Comparison.Greater),
        Compare("GreaterOrEqual", Comparison.GreaterOrEqual),
        Binary("And", (left, right) => Elementwise.Logical(left, right, (x, y) => x && y)),
        Binary("Or", (left, right) => Elementwise.Logical(left, right, (x, y) => x || y)),
        Binary("Xor", (left, right) => Elementwise.Logical(left, right, (x, y) => x != y)),
        new()
        {
            Name = "Where",
            Shapes = context => [Broadcasting.Combine(context.Shape(0), Broadcasting.Combine(context.Shape(1), context.Shape(2)))],
            Run = context => [Elementwise.Where(context.Tensor(0), context.Tensor(1), context.Tensor(2))],
            Type = (context, _) => context.Spec(1).Type,
            SameType = 1..3,
        },
    ];

    private static OperatorRow Binary(string name, Func<Tensor, Tensor, Tensor> function) => new()
    {
        Name = name,
        Shapes = context => [Broadcasting.Combine(context.Shape(0), context.Shape(1))],
        Run = context => [function(context.Tensor(0), context.Tensor(1))],

        // The exponent of Pow has a type of its own.
        SameType = name == "Pow" ? 0..0 : 0..2,
    };

    private static OperatorRow Compare(string name, Comparison comparison) => new()
    {
        Name = name,
        Shapes = context => [Broadcasting.Combine(context.Shape(0), context.Shape(1))],
        Run = context => [Elementwise.Compare(context.Tensor(0), context.Tensor(1), comparison)],
        Type = (_, _) => ElementType.Bool,
        SameType = 0..2,
    };

    private static OperatorRow Variadic(string name, Func<Tensor, Tensor, Tensor> function) => new()
    {
        Name = name,
        Shapes = context => [context.Shapes().Aggregate(context.Shape(0), Broadcasting.Combine)],
        Run = context => [context.Tensors().Skip(1).Aggregate(context.Tensor(0), function)],
        SameType = ..,
    };
}
