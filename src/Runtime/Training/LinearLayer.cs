namespace CoInference.Runtime.Training;

/// <summary>A fully connected layer with bias: y = x W + b, W as [inputs, outputs].</summary>
internal sealed class LinearLayer : TrainingLayer
{
    private readonly FeatureMap _input, _output;
    private readonly bool _needsInputGradient;
    private readonly Parameter _weights, _bias;

    /// <summary>Creates the layer with weights of deviation 1 / sqrt(inputs) and no bias.</summary>
    public LinearLayer(FeatureMap input, FeatureMap output, bool needsInputGradient, Random random)
    {
        (_input, _output, _needsInputGradient) = (input, output, needsInputGradient);
        (_weights, _bias) = (new Parameter(input.ImageSize * output.ImageSize, decays: true), new Parameter(output.ImageSize, decays: false));
        double bound = Math.Sqrt(3.0 / input.ImageSize);
        foreach (ref float weight in _weights.Values.AsSpan()) weight = (float)(bound * ((2 * random.NextDouble()) - 1));
    }

    public override IEnumerable<Parameter> Parameters => [_weights, _bias];

    public float[] Bias => _bias.Values;

    public override unsafe void Forward(bool training)
    {
        for (int image = 0; image < _input.Batch; image++) _bias.Values.CopyTo(_output.Values, image * _output.ImageSize);
        fixed (float* x = _input.Values, w = _weights.Values, y = _output.Values)
            MatrixProduct.Add(_input.Batch, _output.ImageSize, _input.ImageSize, x, _input.ImageSize, 1, w, y);
    }

    public override unsafe void Backward()
    {
        int inputs = _input.ImageSize, outputs = _output.ImageSize;
        Array.Clear(_weights.Gradients);
        Array.Clear(_bias.Gradients);
        fixed (float* x = _input.Values, dy = _output.Gradients, dw = _weights.Gradients)
            MatrixProduct.Add(inputs, outputs, _input.Batch, x, 1, inputs, dy, dw);
        for (int i = 0; i < _output.Gradients.Length; i++) _bias.Gradients[i % outputs] += _output.Gradients[i];
        if (!_needsInputGradient) return;
        float[] transposed = ExportWeights();
        fixed (float* dy = _output.Gradients, wt = transposed, dx = _input.Gradients)
            MatrixProduct.Add(_input.Batch, inputs, outputs, dy, outputs, 1, wt, dx);
    }

    /// <summary>The weights as [outputs, inputs].</summary>
    public float[] ExportWeights()
    {
        int inputs = _input.ImageSize, outputs = _output.ImageSize;
        var exported = new float[_weights.Values.Length];
        for (int i = 0; i < inputs; i++)
        {
            for (int o = 0; o < outputs; o++) exported[(o * inputs) + i] = _weights.Values[(i * outputs) + o];
        }

        return exported;
    }
}
