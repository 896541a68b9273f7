using System.Numerics.Tensors;
using CoInference.Kernels.Simd.Training;

namespace CoInference.Runtime.Training.Steps;

/// <summary>A convolution, or a linear layer as a 1x1 convolution of 1x1 maps, with bias and clamp. A frozen one, like all before it, keeps its weights.</summary>
internal sealed class ConvStep(
    TrainingValue input, TrainingValue output, ConvGradientShape shape, TrainingParameter weights, TrainingParameter? bias, ActivationBounds bounds, bool isFrozen)
    : TrainingStep([input], output)
{
    private ConvGradient? _conv;
    private bool _isPacked;
    private float[] _bias = [];
    private float[][] _sums = [];
    private double[][] _biasSums = [];

    public override IEnumerable<TrainingParameter> Parameters => isFrozen ? [] : bias is null ? [weights] : [weights, bias];

    private ConvGradient Conv => _conv!;

    public override void RequireBorders()
    {
        input.Border = Math.Max(input.Border, shape.InputBorder);
        if (input.NeedsGradient) Output.GradientBorder = Math.Max(Output.GradientBorder, shape.GradientBorder);
    }

    public override void Allocate(int batch, int parts)
    {
        base.Allocate(batch, parts);
        _conv = ConvGradient.Create(shape, input.Geometry, Output.Geometry, Output.GradientGeometry, input.NeedsGradient ? input.GradientGeometry : null);
        _sums = new float[parts][];
        for (int part = 0; part < parts; part++) _sums[part] = new float[_conv.SumCount];
        int filled = Output.Map.Blocks * BorderedMap.Lanes;
        _bias = new float[filled];
        _biasSums = new double[bias is null ? 0 : parts][];
        for (int part = 0; part < _biasSums.Length; part++) _biasSums[part] = new double[filled];
    }

    public override void Prepare()
    {
        if (isFrozen && _isPacked) return;
        _isPacked = true;
        Conv.Pack(weights.Values);
        bias?.Values.CopyTo(_bias, 0);
        foreach (float[] sums in _sums) Array.Clear(sums);
        foreach (double[] sums in _biasSums) Array.Clear(sums);
    }

    public override void Forward(int part, int first, int end) => Conv.Forward(input.Map, Output.Map, first, end, _bias, bounds.Low, bounds.High);

    public override void Backward(int part, int first, int end)
    {
        if (!bounds.IsNone) MapPasses.Widest.Mask(Output.Map, Gradient, first, end, bounds.Low, bounds.High);
        if (bias is not null) MapPasses.Widest.GradientMoments(Gradient, null, [], first, end, _biasSums[part], []);
        Conv.BackwardWeights(input.Map, Gradient, first, end, _sums[part]);
        if (InputGradient(0, out bool accumulates) is { } target) Conv.BackwardInput(Gradient, target, first, end, accumulates);
    }

    public override void FoldGradients()
    {
        if (isFrozen) return;
        for (int part = 1; part < _sums.Length; part++) TensorPrimitives.Add(_sums[0], _sums[part], _sums[0]);
        Conv.Unpack(_sums[0], weights.Gradients);
        if (bias is null) return;
        for (int channel = 0; channel < bias.Gradients.Length; channel++)
        {
            double sum = 0;
            foreach (double[] part in _biasSums) sum += part[channel];
            bias.Gradients[channel] = (float)sum;
        }
    }
}
