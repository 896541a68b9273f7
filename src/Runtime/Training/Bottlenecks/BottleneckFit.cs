using System.Numerics.Tensors;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Data;
using CoInference.Runtime.Sparsity;

namespace CoInference.Runtime.Training.Bottlenecks;

/// <summary>A convolution with the normalization behind it, before training.</summary>
/// <param name="Weights">[outputs, inputs, kernel, kernel].</param>
/// <param name="Means">Mean of each output before the normalization.</param>
/// <param name="Variances">Variance of each output before the normalization.</param>
/// <param name="Scale">The normalization's scale.</param>
/// <param name="Shift">The normalization's shift.</param>
internal sealed record FittedConvolution(float[] Weights, float[] Means, float[] Variances, float[] Scale, float[] Shift);

/// <summary>
/// The best linear bottleneck for the features of calibration images, from which training starts: the encoder projects a
/// patch onto its leading principal components, the decoder is the least-squares map from the rounded code back.
/// </summary>
/// <remarks>
/// Principal components by orthogonal iteration (Golub and Van Loan, Matrix Computations, section 8.2.4). From random weights
/// the layers behind a bottleneck first have to unlearn what they know.
/// </remarks>
internal sealed class BottleneckFit
{
    private const int Iterations = 60;
    private const double Ridge = 1e-4;

    /// <summary>Mean and deviation of a channel of the code: most of it inside [0, 1].</summary>
    private const float CodeMean = 0.5f, CodeDeviation = 0.25f;

    private readonly BottleneckSpec _spec;
    private readonly float[] _features;
    private readonly int _images, _channels, _height, _width, _codeHeight, _codeWidth;

    /// <summary>Fits both.</summary>
    /// <param name="spec">The bottleneck.</param>
    /// <param name="features">Features, row after row.</param>
    /// <param name="shape">Shape of one feature, [1, C, H, W].</param>
    /// <param name="random">Start of the iteration.</param>
    public BottleneckFit(BottleneckSpec spec, float[] features, TensorShape shape, SplitMix64 random)
    {
        (_spec, _features, _images) = (spec, features, features.Length / shape.Count);
        (_channels, _height, _width) = (shape[1], shape[2], shape[3]);
        (_codeHeight, _codeWidth) = (_height / spec.Stride, _width / spec.Stride);
        Encoder = FitEncoder(ref random);
        Decoder = FitDecoder(Code());
    }

    /// <summary>Feature to code; the normalization places the code within [0, 1].</summary>
    public FittedConvolution Encoder { get; }

    /// <summary>Code, repeated to the feature's size, to feature.</summary>
    public FittedConvolution Decoder { get; }

    private int EncoderTaps => _channels * _spec.Kernel * _spec.Kernel;

    private int DecoderTaps => _spec.Channels * _spec.Kernel * _spec.Kernel;

    private FittedConvolution FitEncoder(ref SplitMix64 random)
    {
        int taps = EncoderTaps, outputs = _spec.Channels;
        long count = 0;
        double[] means = new double[taps], covariance = new double[taps * taps], patch = new double[taps];
        foreach ((int image, int y, int x) in Places(_codeHeight, _codeWidth))
        {
            EncoderPatch(image, y, x, patch);
            TensorPrimitives.Add(means, patch, means);
            for (int i = 0; i < taps; i++)
            {
                if (patch[i] != 0) TensorPrimitives.MultiplyAdd(patch, patch[i], covariance.AsSpan(i * taps, taps), covariance.AsSpan(i * taps, taps));
            }

            count++;
        }

        TensorPrimitives.Divide(means, count, means);
        TensorPrimitives.Divide(covariance, count, covariance);
        for (int i = 0; i < taps; i++) TensorPrimitives.MultiplyAdd(means, -means[i], covariance.AsSpan(i * taps, taps), covariance.AsSpan(i * taps, taps));

        double[][] components = [.. Enumerable.Range(0, outputs).Select(_ => new double[taps])], products = [.. components.Select(_ => new double[taps])];
        foreach (double[] component in components)
        {
            for (int i = 0; i < taps; i++) component[i] = random.Bell();
        }

        Orthogonalize(components);
        for (int iteration = 0; iteration < Iterations; iteration++)
        {
            for (int k = 0; k < outputs; k++) Multiply(covariance, components[k], products[k]);
            (components, products) = (products, components);
            Orthogonalize(components);
        }

        var weights = new float[outputs * taps];
        float[] outputMeans = new float[outputs], variances = new float[outputs];
        for (int k = 0; k < outputs; k++)
        {
            for (int i = 0; i < taps; i++) weights[(k * taps) + i] = (float)components[k][i];
            Multiply(covariance, components[k], products[k]);
            outputMeans[k] = (float)TensorPrimitives.Dot<double>(components[k], means);
            variances[k] = (float)Math.Max(0, TensorPrimitives.Dot<double>(components[k], products[k]));
        }

        return new FittedConvolution(weights, outputMeans, variances, Filled(outputs, CodeDeviation), Filled(outputs, CodeMean));
    }

    /// <summary>The rounded code of every image, [image, channel, row, column].</summary>
    private float[] Code()
    {
        int taps = EncoderTaps, outputs = _spec.Channels, pixels = _codeHeight * _codeWidth, steps = _spec.Levels - 1;
        var code = new float[_images * outputs * pixels];
        var patch = new double[taps];
        foreach ((int image, int y, int x) in Places(_codeHeight, _codeWidth))
        {
            EncoderPatch(image, y, x, patch);
            for (int k = 0; k < outputs; k++)
            {
                double value = 0;
                for (int i = 0; i < taps; i++) value += patch[i] * Encoder.Weights[(k * taps) + i];
                double placed = CodeMean + (CodeDeviation * (value - Encoder.Means[k]) / Math.Sqrt(Math.Max(Encoder.Variances[k], 1e-12)));
                code[(((image * outputs) + k) * pixels) + (y * _codeWidth) + x] = (float)(Math.Round(Math.Clamp(placed, 0, 1) * steps) / steps);
            }
        }

        return code;
    }

    private FittedConvolution FitDecoder(float[] code)
    {
        // The last unknown is the bias.
        int taps = DecoderTaps, unknowns = taps + 1;
        double[] normal = new double[unknowns * unknowns], right = new double[unknowns * _channels], patch = new double[unknowns], feature = new double[_channels];
        patch[taps] = 1;
        foreach ((int image, int y, int x) in Places(_height, _width))
        {
            DecoderPatch(code, image, y, x, patch);
            for (int c = 0; c < _channels; c++) feature[c] = _features[(((image * _channels) + c) * _height * _width) + (y * _width) + x];
            for (int i = 0; i < unknowns; i++)
            {
                if (patch[i] == 0) continue;
                TensorPrimitives.MultiplyAdd(patch, patch[i], normal.AsSpan(i * unknowns, unknowns), normal.AsSpan(i * unknowns, unknowns));
                TensorPrimitives.MultiplyAdd(feature, patch[i], right.AsSpan(i * _channels, _channels), right.AsSpan(i * _channels, _channels));
            }
        }

        double[] moments = [.. normal];
        double ridge = Ridge * Enumerable.Range(0, unknowns).Average(i => normal[(i * unknowns) + i]);
        for (int i = 0; i < unknowns; i++) normal[(i * unknowns) + i] += ridge;
        Cholesky factor = Cholesky.TryFactor(normal, unknowns) ?? throw new InvalidDataException("The features of the calibration images are not finite.");
        factor.Solve(right, _channels);

        double count = moments[^1];
        float[] weights = new float[_channels * taps], means = new float[_channels], variances = new float[_channels], scale = new float[_channels], shift = new float[_channels];
        for (int c = 0; c < _channels; c++)
        {
            double mean = 0, square = 0;
            for (int i = 0; i < taps; i++)
            {
                double weight = right[(i * _channels) + c];
                weights[(c * taps) + i] = (float)weight;
                mean += weight * moments[(i * unknowns) + taps] / count;
                for (int j = 0; j < taps; j++) square += weight * right[(j * _channels) + c] * moments[(i * unknowns) + j] / count;
            }

            // The normalization puts back what it takes out.
            double variance = Math.Max(square - (mean * mean), 1e-6);
            (means[c], variances[c]) = ((float)mean, (float)variance);
            (scale[c], shift[c]) = ((float)Math.Sqrt(variance), (float)(mean + right[(taps * _channels) + c]));
        }

        return new FittedConvolution(weights, means, variances, scale, shift);
    }

    private IEnumerable<(int Image, int Row, int Column)> Places(int height, int width)
    {
        for (int image = 0; image < _images; image++)
        {
            for (int y = 0; y < height; y++)
            {
                for (int x = 0; x < width; x++) yield return (image, y, x);
            }
        }
    }

    private void EncoderPatch(int image, int row, int column, double[] patch)
    {
        int kernel = _spec.Kernel, at = 0;
        for (int c = 0; c < _channels; c++)
        {
            for (int ky = 0; ky < kernel; ky++)
            {
                for (int kx = 0; kx < kernel; kx++)
                {
                    int y = (row * _spec.Stride) + ky - (kernel / 2), x = (column * _spec.Stride) + kx - (kernel / 2);
                    bool isInside = (uint)y < (uint)_height && (uint)x < (uint)_width;
                    patch[at++] = isInside ? _features[(((image * _channels) + c) * _height * _width) + (y * _width) + x] : 0;
                }
            }
        }
    }

    private void DecoderPatch(float[] code, int image, int row, int column, double[] patch)
    {
        int kernel = _spec.Kernel, at = 0;
        for (int k = 0; k < _spec.Channels; k++)
        {
            for (int ky = 0; ky < kernel; ky++)
            {
                for (int kx = 0; kx < kernel; kx++)
                {
                    int y = row + ky - (kernel / 2), x = column + kx - (kernel / 2);
                    bool isInside = (uint)y < (uint)_height && (uint)x < (uint)_width;
                    patch[at++] = isInside ? code[(((image * _spec.Channels) + k) * _codeHeight * _codeWidth) + (y / _spec.Stride * _codeWidth) + (x / _spec.Stride)] : 0;
                }
            }
        }
    }

    /// <summary>Gram-Schmidt, twice for the digits that the first round loses.</summary>
    private static void Orthogonalize(double[][] vectors)
    {
        for (int k = 0; k < vectors.Length; k++)
        {
            for (int round = 0; round < 2; round++)
            {
                for (int j = 0; j < k; j++) TensorPrimitives.MultiplyAdd(vectors[j], -TensorPrimitives.Dot<double>(vectors[j], vectors[k]), vectors[k], vectors[k]);
                double length = TensorPrimitives.Norm<double>(vectors[k]);
                if (length > 0) TensorPrimitives.Divide(vectors[k], length, vectors[k]);
            }
        }
    }

    private static void Multiply(double[] matrix, double[] vector, double[] product)
    {
        for (int i = 0; i < vector.Length; i++) product[i] = TensorPrimitives.Dot<double>(matrix.AsSpan(i * vector.Length, vector.Length), vector);
    }

    private static float[] Filled(int count, float value)
    {
        var values = new float[count];
        Array.Fill(values, value);
        return values;
    }
}
