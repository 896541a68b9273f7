using System.Numerics;
using System.Numerics.Tensors;

namespace CoInference.Runtime.Training;

/// <summary>
/// Batch normalization (Ioffe and Szegedy 2015), optionally followed by the addition of a shortcut and by ReLU, so that
/// a residual block's tail is one pass over memory.
/// </summary>
/// <remarks>
/// Work goes image row by image row. Per-channel vectors are repeated along a row, so that every operation is one long
/// elementwise loop; sums are kept per position of the row and folded over its pixels at the end.
/// </remarks>
internal sealed class BatchNormLayer : TrainingLayer
{
    /// <summary>Added to the variance.</summary>
    public const float Epsilon = 1e-5f;

    private const float StatisticsMomentum = 0.9f;

    private readonly ParallelOptions _parallel;
    private readonly Parameter _scale, _shift;
    private readonly int _row;
    private readonly float[] _meanRow, _inverseRow, _scaleRow, _rowA, _rowB, _mean, _inverse;
    private readonly float[][] _sums = new float[Parts][], _products = new float[Parts][], _scratch = new float[Parts][];

    /// <summary>Creates the layer: scale 1, shift 0, running mean 0, running variance 1.</summary>
    public BatchNormLayer(FeatureMap input, FeatureMap output, FeatureMap? shortcut, bool relu, ParallelOptions parallel)
    {
        (Input, Output, Shortcut, HasRelu, _parallel) = (input, output, shortcut, relu, parallel);
        int channels = input.Channels;
        _row = input.Width * channels;
        (_scale, _shift) = (new Parameter(channels, decays: false), new Parameter(channels, decays: false));
        _scale.Values.AsSpan().Fill(1);
        (RunningMean, RunningVariance, _mean, _inverse) = (new float[channels], new float[channels], new float[channels], new float[channels]);
        RunningVariance.AsSpan().Fill(1);
        (_meanRow, _inverseRow, _scaleRow, _rowA, _rowB) = (new float[_row], new float[_row], new float[_row], new float[_row], new float[_row]);
        for (int part = 0; part < Parts; part++) (_sums[part], _products[part], _scratch[part]) = (new float[_row], new float[_row], new float[_row]);
    }

    public override IEnumerable<Parameter> Parameters => [_scale, _shift];

    public FeatureMap Input { get; }

    public FeatureMap Output { get; }

    public FeatureMap? Shortcut { get; }

    public bool HasRelu { get; }

    public float[] Scale => _scale.Values;

    public float[] Shift => _shift.Values;

    public float[] RunningMean { get; }

    public float[] RunningVariance { get; }

    public override void Forward(bool training)
    {
        if (training) MeasureStatistics();
        else
        {
            RunningMean.CopyTo(_mean, 0);
            for (int c = 0; c < _inverse.Length; c++) _inverse[c] = 1 / MathF.Sqrt(RunningVariance[c] + Epsilon);
        }

        for (int i = 0; i < _row; i++)
        {
            int c = i % Input.Channels;
            _rowA[i] = Scale[c] * _inverse[c];
            _rowB[i] = Shift[c] - (_mean[c] * _rowA[i]);
        }

        ForRows((_, at) =>
        {
            Span<float> target = Output.Values.AsSpan(at, _row);
            TensorPrimitives.MultiplyAdd(Input.Values.AsSpan(at, _row), _rowA, _rowB, target);
            if (Shortcut is not null) TensorPrimitives.Add(target, Shortcut.Values.AsSpan(at, _row), target);
            if (HasRelu) TensorPrimitives.Max(target, 0f, target);
        });
    }

    public override void Backward()
    {
        Repeat(_mean, _meanRow);
        Repeat(_inverse, _inverseRow);
        Repeat(Scale, _scaleRow);
        ClearSums();
        ForRows((part, at) =>
        {
            Span<float> arrived = Output.Gradients.AsSpan(at, _row), normalized = _scratch[part];
            if (HasRelu) MaskRectified(Output.Values.AsSpan(at, _row), arrived);
            if (Shortcut is not null)
            {
                Span<float> shortcut = Shortcut.Gradients.AsSpan(at, _row);
                TensorPrimitives.Add(shortcut, arrived, shortcut);
            }

            Normalize(at, normalized);
            TensorPrimitives.Add(_sums[part], arrived, _sums[part]);
            TensorPrimitives.MultiplyAdd(arrived, normalized, _products[part], _products[part]);
        });
        Fold(_sums, _shift.Gradients);
        Fold(_products, _scale.Gradients);

        // dx = scale / sigma (dy - mean(dy) - xhat mean(dy xhat)), the means taken over batch and pixels.
        float count = (float)Input.Batch * Input.Pixels;
        for (int i = 0; i < _row; i++)
        {
            int c = i % Input.Channels;
            (_rowA[i], _rowB[i]) = (-_scale.Gradients[c] / count, -_shift.Gradients[c] / count);
        }

        ForRows((part, at) =>
        {
            Span<float> normalized = _scratch[part], target = Input.Gradients.AsSpan(at, _row);
            Normalize(at, normalized);
            TensorPrimitives.MultiplyAdd(normalized, _rowA, _rowB, normalized);
            TensorPrimitives.Add(normalized, Output.Gradients.AsSpan(at, _row), normalized);
            TensorPrimitives.Multiply(normalized, _inverseRow, normalized);
            TensorPrimitives.MultiplyAdd(normalized, _scaleRow, target, target);
        });
    }

    private void MeasureStatistics()
    {
        float count = (float)Input.Batch * Input.Pixels;
        ClearSums();
        ForRows((part, at) => TensorPrimitives.Add(_sums[part], Input.Values.AsSpan(at, _row), _sums[part]));
        Fold(_sums, _mean);
        TensorPrimitives.Divide(_mean, count, _mean);

        // A second pass over deviations: the difference of two large sums would lose the digits that matter.
        Repeat(_mean, _meanRow);
        ForRows((part, at) =>
        {
            TensorPrimitives.Subtract(Input.Values.AsSpan(at, _row), _meanRow, _scratch[part]);
            TensorPrimitives.MultiplyAdd(_scratch[part], _scratch[part], _products[part], _products[part]);
        });
        Fold(_products, _inverse);
        for (int c = 0; c < _mean.Length; c++)
        {
            float variance = _inverse[c] / count;
            _inverse[c] = 1 / MathF.Sqrt(variance + Epsilon);
            RunningMean[c] += (1 - StatisticsMomentum) * (_mean[c] - RunningMean[c]);
            RunningVariance[c] += (1 - StatisticsMomentum) * ((variance * count / (count - 1)) - RunningVariance[c]);
        }
    }

    private void Normalize(int at, Span<float> normalized)
    {
        TensorPrimitives.Subtract(Input.Values.AsSpan(at, _row), _meanRow, normalized);
        TensorPrimitives.Multiply(normalized, _inverseRow, normalized);
    }

    /// <summary>Zeroes gradients wherever the rectified output is zero.</summary>
    private static void MaskRectified(ReadOnlySpan<float> output, Span<float> gradients)
    {
        int i = 0;
        for (; i + Vector<float>.Count <= output.Length; i += Vector<float>.Count)
        {
            Vector<int> kept = Vector.GreaterThan(new Vector<float>(output[i..]), Vector<float>.Zero);
            Vector.ConditionalSelect(kept, new Vector<float>(gradients[i..]), Vector<float>.Zero).CopyTo(gradients[i..]);
        }

        for (; i < output.Length; i++) gradients[i] = output[i] > 0 ? gradients[i] : 0;
    }

    private void ForRows(Action<int, int> work) => ForParts(Input.Batch, _parallel, (part, first, end) =>
    {
        for (int at = first * Input.ImageSize; at < end * Input.ImageSize; at += _row) work(part, at);
    });

    private void Repeat(float[] perChannel, float[] row)
    {
        for (int at = 0; at < _row; at += perChannel.Length) perChannel.CopyTo(row, at);
    }

    private void ClearSums()
    {
        foreach (float[] sums in _sums) Array.Clear(sums);
        foreach (float[] products in _products) Array.Clear(products);
    }

    private static void Fold(float[][] parts, float[] perChannel)
    {
        Array.Clear(perChannel);
        foreach (float[] part in parts)
        {
            for (int at = 0; at < part.Length; at += perChannel.Length) TensorPrimitives.Add(perChannel, part.AsSpan(at, perChannel.Length), perChannel);
        }
    }
}
