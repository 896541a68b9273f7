using System.Numerics.Tensors;

namespace CoInference.Runtime.Training;

/// <summary>
/// A square convolution without bias, as three matrix products over patches: with R the patches of the input (one row
/// per output pixel) and W the weights, Y = R W, dW = Rᵀ dY, dR = dY Wᵀ.
/// </summary>
internal sealed unsafe class ConvLayer : TrainingLayer
{
    /// <summary>Output pixels whose patches are held at a time, so that they stay in the second-level cache.</summary>
    private const int StripPixels = 128;

    private readonly FeatureMap _input, _output;
    private readonly int _kernel, _stride, _pad, _patch, _stripRows;
    private readonly bool _needsInputGradient;
    private readonly ParallelOptions _parallel;
    private readonly Parameter _weights;
    private readonly float[] _transposed;
    private readonly float[][] _patches = new float[Parts][], _partGradients = new float[Parts][];

    /// <summary>Creates the layer with weights drawn for rectified activations (He et al. 2015): deviation sqrt(2 / fan-in).</summary>
    /// <param name="input">Feature map to read.</param>
    /// <param name="output">Feature map to write; its size must be that of the convolution.</param>
    /// <param name="kernel">Side of the kernel; the padding is (kernel - 1) / 2.</param>
    /// <param name="stride">Step in both directions.</param>
    /// <param name="needsInputGradient">False for a layer that reads the images.</param>
    /// <param name="random">Source of the first weights.</param>
    /// <param name="parallel">Threads.</param>
    public ConvLayer(FeatureMap input, FeatureMap output, int kernel, int stride, bool needsInputGradient, Random random, ParallelOptions parallel)
    {
        (_input, _output, _kernel, _stride, _pad) = (input, output, kernel, stride, (kernel - 1) / 2);
        (_needsInputGradient, _parallel) = (needsInputGradient, parallel);
        _patch = kernel * kernel * input.Channels;
        _stripRows = Math.Clamp(StripPixels / output.Width, 1, output.Height);
        _weights = new Parameter(_patch * output.Channels, decays: true);
        _transposed = new float[_weights.Values.Length];
        for (int part = 0; part < Parts; part++)
        {
            _patches[part] = new float[_stripRows * output.Width * _patch];
            _partGradients[part] = new float[_weights.Values.Length];
        }

        double deviation = Math.Sqrt(2.0 / _patch);
        foreach (ref float weight in _weights.Values.AsSpan())
            weight = (float)(deviation * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
    }

    public override IEnumerable<Parameter> Parameters => [_weights];

    public int Kernel => _kernel;

    public int Stride => _stride;

    public int Padding => _pad;

    public FeatureMap Output => _output;

    public FeatureMap Input => _input;

    public override void Forward(bool training) => ForParts(_input.Batch, _parallel, (part, first, end) =>
    {
        fixed (float* patches = _patches[part], weights = _weights.Values, output = _output.Values)
        {
            for (int image = first; image < end; image++)
            {
                for (int row = 0; row < _output.Height; row += _stripRows)
                {
                    int pixels = GatherPatches(image, row, _patches[part]);
                    int start = (image * _output.ImageSize) + (row * _output.Width * _output.Channels);
                    _output.Values.AsSpan(start, pixels * _output.Channels).Clear();
                    MatrixProduct.Add(pixels, _output.Channels, _patch, patches, _patch, 1, weights, output + start);
                }
            }
        }
    });

    public override void Backward()
    {
        int outChannels = _output.Channels;
        for (int i = 0; i < _patch; i++)
        {
            for (int c = 0; c < outChannels; c++) _transposed[(c * _patch) + i] = _weights.Values[(i * outChannels) + c];
        }

        ForParts(_input.Batch, _parallel, BackwardPart);
        Array.Clear(_weights.Gradients);
        foreach (float[] part in _partGradients) TensorPrimitives.Add(_weights.Gradients, part, _weights.Gradients);
    }

    /// <summary>The weights in ONNX order [out, in, height, width].</summary>
    public float[] ExportWeights()
    {
        int inChannels = _input.Channels, outChannels = _output.Channels, taps = _kernel * _kernel;
        var exported = new float[_weights.Values.Length];
        for (int tap = 0; tap < taps; tap++)
        {
            for (int i = 0; i < inChannels; i++)
            {
                for (int o = 0; o < outChannels; o++) exported[(((o * inChannels) + i) * taps) + tap] = _weights.Values[(((tap * inChannels) + i) * outChannels) + o];
            }
        }

        return exported;
    }

    private void BackwardPart(int part, int first, int end)
    {
        Array.Clear(_partGradients[part]);
        int outChannels = _output.Channels;
        fixed (float* patches = _patches[part], transposed = _transposed, gradients = _partGradients[part], outputGradients = _output.Gradients)
        {
            for (int image = first; image < end; image++)
            {
                for (int row = 0; row < _output.Height; row += _stripRows)
                {
                    int pixels = GatherPatches(image, row, _patches[part]);
                    float* arrived = outputGradients + (image * _output.ImageSize) + (row * _output.Width * outChannels);
                    MatrixProduct.Add(_patch, outChannels, pixels, patches, 1, _patch, arrived, gradients);
                    if (!_needsInputGradient) continue;
                    _patches[part].AsSpan(0, pixels * _patch).Clear();
                    MatrixProduct.Add(pixels, _patch, outChannels, arrived, outChannels, 1, transposed, patches);
                    ScatterPatches(image, row, _patches[part]);
                }
            }
        }
    }

    /// <summary>Copies the patches of up to a strip of output rows and returns their number.</summary>
    private int GatherPatches(int image, int firstRow, float[] patches)
    {
        int rows = Math.Min(_stripRows, _output.Height - firstRow), at = 0;
        for (int y = firstRow; y < firstRow + rows; y++)
        {
            for (int x = 0; x < _output.Width; x++)
            {
                for (int ky = 0; ky < _kernel; ky++, at += _kernel * _input.Channels)
                {
                    Span<float> target = patches.AsSpan(at, _kernel * _input.Channels);
                    if (!TapRow(image, y, x, ky, out int source, out int skipped, out int length))
                    {
                        target.Clear();
                        continue;
                    }

                    target[..skipped].Clear();
                    _input.Values.AsSpan(source, length).CopyTo(target[skipped..]);
                    target[(skipped + length)..].Clear();
                }
            }
        }

        return rows * _output.Width;
    }

    private void ScatterPatches(int image, int firstRow, float[] patches)
    {
        int rows = Math.Min(_stripRows, _output.Height - firstRow), at = 0;
        for (int y = firstRow; y < firstRow + rows; y++)
        {
            for (int x = 0; x < _output.Width; x++)
            {
                for (int ky = 0; ky < _kernel; ky++, at += _kernel * _input.Channels)
                {
                    if (!TapRow(image, y, x, ky, out int source, out int skipped, out int length)) continue;
                    Span<float> target = _input.Gradients.AsSpan(source, length);
                    TensorPrimitives.Add(target, patches.AsSpan(at + skipped, length), target);
                }
            }
        }
    }

    /// <summary>Where one row of a kernel's taps lies in the input; false when it lies wholly in the padding.</summary>
    private bool TapRow(int image, int y, int x, int ky, out int start, out int skipped, out int length)
    {
        int inY = (y * _stride) + ky - _pad, inX = (x * _stride) - _pad;
        int left = Math.Max(0, inX), right = Math.Min(_input.Width, inX + _kernel);
        start = (image * _input.ImageSize) + (((inY * _input.Width) + left) * _input.Channels);
        skipped = (left - inX) * _input.Channels;
        length = (right - left) * _input.Channels;
        return (uint)inY < (uint)_input.Height && length > 0;
    }
}
