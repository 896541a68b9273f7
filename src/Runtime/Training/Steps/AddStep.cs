using CoInference.Kernels.Simd.Training;

namespace CoInference.Runtime.Training.Steps;

/// <summary>The sum of two values, or one value as it is, with a clamp.</summary>
internal sealed class AddStep(TrainingValue first, TrainingValue? second, TrainingValue output, ActivationBounds bounds)
    : TrainingStep(second is null ? [first] : [first, second], output)
{
    private readonly TrainingValue _first = first;

    public override int PassedInput => 0;

    public override void Forward(int part, int first, int end) =>
        MapPasses.Widest.Affine(_first.Map, [], [], second?.Map, Output.Map, first, end, bounds.Low, bounds.High);

    public override void Backward(int part, int first, int end)
    {
        if (!bounds.IsNone) MapPasses.Widest.Mask(Output.Map, Gradient, first, end, bounds.Low, bounds.High);
        for (int index = 0; index < Inputs.Length; index++)
        {
            if (InputGradient(index, out bool accumulates) is { } target) MapPasses.Widest.Add(Gradient, target, first, end, accumulates);
        }
    }
}
