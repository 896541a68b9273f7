using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Reference;

/// <summary>Convolution over any number of spatial axes and any numeric element type, in double.</summary>
/// <remarks>Double is exact for the integer variants: a sum of 8-bit products stays far below 2^53.</remarks>
public static class Convolution
{
    /// <summary>Convolves floating-point tensors.</summary>
    /// <param name="input">[N, C, D1, D2, ...].</param>
    /// <param name="weights">[M, C / groups, K1, K2, ...].</param>
    /// <param name="bias">[M], or null.</param>
    /// <param name="window">The window over the input's spatial axes; its kernel is that of the weights.</param>
    /// <param name="groups">Channel groups.</param>
    /// <returns>[N, M, O1, O2, ...] of the input's element type.</returns>
    /// <exception cref="ArgumentException">Shapes or types do not fit each other.</exception>
    public static Tensor Run(Tensor input, Tensor weights, Tensor? bias, SpatialWindow window, int groups)
    {
        TensorShape shape = OutputShape(input.Shape, weights.Shape, window, groups);
        if (bias is not null && bias.Count != weights.Shape[0])
            throw new ArgumentException($"The bias has shape {bias.Shape}, expected [{weights.Shape[0]}].");
        double[] sums = Accumulate(Doubles.Of(input), input.Shape, Doubles.Of(weights), weights.Shape, shape, window, groups);
        if (bias is not null) AddPerChannel(sums, shape, Doubles.Of(bias));
        return Doubles.Store(input.Type, shape, sums);
    }

    /// <summary>Convolves 8-bit integers into 32-bit sums. Padding has the value of the input's zero point.</summary>
    /// <param name="input">[N, C, D1, D2, ...] of Int8 or UInt8.</param>
    /// <param name="weights">[M, C / groups, K1, K2, ...] of Int8 or UInt8.</param>
    /// <param name="inputZeroPoint">Scalar, or null for 0.</param>
    /// <param name="weightZeroPoint">Scalar or [M], or null for 0.</param>
    /// <param name="window">The window.</param>
    /// <param name="groups">Channel groups.</param>
    /// <returns>Int32 [N, M, O1, O2, ...].</returns>
    /// <exception cref="ArgumentException">Shapes do not fit each other.</exception>
    public static Tensor RunInteger(
        Tensor input, Tensor weights, Tensor? inputZeroPoint, Tensor? weightZeroPoint, SpatialWindow window, int groups)
    {
        TensorShape shape = OutputShape(input.Shape, weights.Shape, window, groups);
        return Doubles.Store(ElementType.Int32, shape, IntegerSums(input, weights, inputZeroPoint, weightZeroPoint, shape, window, groups));
    }

    /// <summary>Convolves 8-bit tensors with scales and zero points and quantizes the result.</summary>
    /// <param name="input">[N, C, D1, D2, ...] with a scalar scale and zero point.</param>
    /// <param name="weights">[M, C / groups, K1, K2, ...] with a scalar or [M] scale and zero point.</param>
    /// <param name="bias">Int32 [M] in units of input scale times weight scale, or null.</param>
    /// <param name="output">Scale and zero point of the result, whose element type is that of the zero point.</param>
    /// <param name="window">The window.</param>
    /// <param name="groups">Channel groups.</param>
    /// <exception cref="ArgumentException">Shapes do not fit each other.</exception>
    public static Tensor RunQuantized(
        QuantizedTensor input, QuantizedTensor weights, Tensor? bias, QuantizedScale output, SpatialWindow window, int groups)
    {
        TensorShape shape = OutputShape(input.Values.Shape, weights.Values.Shape, window, groups);
        double[] sums = IntegerSums(input.Values, weights.Values, input.ZeroPoint, weights.ZeroPoint, shape, window, groups);
        if (bias is not null) AddPerChannel(sums, shape, Doubles.Of(bias));
        double[] weightScales = Doubles.Of(weights.Scale);
        float inputScale = (float)Doubles.Of(input.Scale)[0];
        float outputScale = (float)Doubles.Of(output.Scale)[0];
        double zeroPoint = Doubles.Of(output.ZeroPoint)[0];
        int channels = shape[1];
        int plane = PlaneOf(shape);
        for (int i = 0; i < sums.Length; i++)
        {
            float scale = inputScale * (float)weightScales[weightScales.Length == 1 ? 0 : i / plane % channels] / outputScale;
            sums[i] = Math.Round((float)sums[i] * scale, MidpointRounding.ToEven) + zeroPoint;
        }

        return Doubles.Store(output.ZeroPoint.Type, shape, sums);
    }

    /// <summary>Shape of the result.</summary>
    /// <exception cref="ArgumentException">Shapes do not fit each other.</exception>
    public static TensorShape OutputShape(TensorShape input, TensorShape weights, SpatialWindow window, int groups)
    {
        ArgumentNullException.ThrowIfNull(window);
        if (input.Rank < 3 || weights.Rank != input.Rank)
            throw new ArgumentException($"Input {input} and weights {weights} need the same rank of at least 3.");
        if (groups < 1 || weights[0] % groups != 0)
            throw new ArgumentException($"{weights[0]} output channels do not divide into {groups} groups.");
        if ((long)weights[1] * groups != input[1])
            throw new ArgumentException($"Weights {weights} in {groups} groups read {(long)weights[1] * groups} input channels, the input {input} has {input[1]}.");
        return new TensorShape([input[0], weights[0], .. window.Output]);
    }

    private static double[] IntegerSums(
        Tensor input, Tensor weights, Tensor? inputZeroPoint, Tensor? weightZeroPoint, TensorShape shape, SpatialWindow window, int groups)
    {
        double[] x = Doubles.Of(input);
        double[] w = Doubles.Of(weights);
        if (inputZeroPoint is not null)
        {
            if (inputZeroPoint.Count != 1) throw new ArgumentException($"The input's zero point has shape {inputZeroPoint.Shape}, expected a scalar.");
            double zero = Doubles.Of(inputZeroPoint)[0];
            for (int i = 0; i < x.Length; i++) x[i] -= zero;
        }

        if (weightZeroPoint is not null)
        {
            double[] zeros = Doubles.Of(weightZeroPoint);
            int filters = weights.Shape[0];
            if (zeros.Length != 1 && zeros.Length != filters)
                throw new ArgumentException($"The weights' zero point has shape {weightZeroPoint.Shape}, expected a scalar or [{filters}].");
            int size = filters == 0 ? 1 : Math.Max(1, w.Length / filters);
            for (int i = 0; i < w.Length; i++) w[i] -= zeros[zeros.Length == 1 ? 0 : i / size];
        }

        return Accumulate(x, input.Shape, w, weights.Shape, shape, window, groups);
    }

    private static double[] Accumulate(
        double[] x, TensorShape xShape, double[] w, TensorShape wShape, TensorShape shape, SpatialWindow window, int groups)
    {
        var y = new double[shape.Count];
        int inPlane = PlaneOf(xShape);
        int outPlane = PlaneOf(shape);
        int taps = PlaneOf(wShape);
        int inPerGroup = wShape[1];
        int outPerGroup = wShape[0] / groups;
        if (y.Length == 0) return y;
        TapRun[][] runs = RunsOf(window);
        for (int image = 0; image < shape[0]; image++)
        {
            for (int filter = 0; filter < wShape[0]; filter++)
            {
                Span<double> target = y.AsSpan(((image * wShape[0]) + filter) * outPlane, outPlane);
                for (int channel = 0; channel < inPerGroup; channel++)
                {
                    int from = ((image * xShape[1]) + (filter / outPerGroup * inPerGroup) + channel) * inPlane;
                    ReadOnlySpan<double> source = x.AsSpan(from, inPlane);
                    for (int tap = 0; tap < taps; tap++)
                    {
                        double weight = w[(((filter * inPerGroup) + channel) * taps) + tap];
                        if (weight == 0 || runs[tap].Length == 0) continue;
                        foreach (TapRun run in runs[tap]) AddScaled(target.Slice(run.Target, run.Length), source[run.Source..], run.Step, weight);
                    }
                }
            }
        }

        return y;
    }

    private static void AddScaled(Span<double> target, ReadOnlySpan<double> source, int step, double weight)
    {
        if (step == 1)
        {
            source = source[..target.Length];
            for (int i = 0; i < target.Length; i++) target[i] += weight * source[i];
            return;
        }

        for (int i = 0; i < target.Length; i++) target[i] += weight * source[i * step];
    }

    /// <summary>Part of one output row that one tap feeds: indices within the planes, and the input step along the row.</summary>
    private readonly record struct TapRun(int Target, int Source, int Length, int Step);

    private static TapRun[][] RunsOf(SpatialWindow window)
    {
        int rank = window.Rank;
        var kernel = new TensorShape(window.Kernel);
        var output = new TensorShape(window.Output);
        int[] inStrides = new TensorShape(window.Input).Strides();
        int length = output[-1];
        var result = new TapRun[kernel.Count][];
        var runs = new List<TapRun>();
        var tap = new int[rank];
        for (int t = 0; t < result.Length; t++)
        {
            for (int axis = rank - 1, rest = t; axis >= 0; axis--)
            {
                tap[axis] = rest % kernel[axis];
                rest /= kernel[axis];
            }

            runs.Clear();
            for (int row = 0; row < output.Count / length; row++)
            {
                if (RowRun(window, tap, row, inStrides, length) is { Length: > 0 } run) Append(runs, run);
            }

            result[t] = [.. runs];
        }

        return result;
    }

    // Rows that continue each other in both planes become one: a 1x1 kernel then runs over the whole image at once.
    private static void Append(List<TapRun> runs, TapRun run)
    {
        if (runs.Count > 0 && run.Step == 1 && runs[^1] is var last && last.Target + last.Length == run.Target && last.Source + last.Length == run.Source)
            runs[^1] = last with { Length = last.Length + run.Length };
        else runs.Add(run);
    }

    private static TapRun RowRun(SpatialWindow window, int[] tap, int row, int[] inStrides, int length)
    {
        int last = window.Rank - 1;
        int source = 0;
        for (int axis = last - 1, rest = row; axis >= 0; axis--)
        {
            int position = rest % window.Output[axis];
            rest /= window.Output[axis];
            long at = ((long)position * window.Strides[axis]) - window.PadsBegin[axis] + ((long)tap[axis] * window.Dilations[axis]);
            if (at < 0 || at >= window.Input[axis]) return default;
            source += (int)at * inStrides[axis];
        }

        int stride = window.Strides[last];
        long start = ((long)tap[last] * window.Dilations[last]) - window.PadsBegin[last];
        long first = start >= 0 ? 0 : (-start + stride - 1) / stride;
        long end = window.Input[last] <= start ? 0 : (window.Input[last] - start + stride - 1) / stride;
        end = Math.Min(end, length);
        return first >= end ? default : new TapRun((row * length) + (int)first, source + (int)(start + (first * stride)), (int)(end - first), stride);
    }

    private static void AddPerChannel(double[] values, TensorShape shape, double[] perChannel)
    {
        int plane = PlaneOf(shape);
        for (int i = 0; i < values.Length; i++) values[i] += perChannel[i / plane % shape[1]];
    }

    private static int PlaneOf(TensorShape shape)
    {
        int plane = 1;
        foreach (int size in shape.Dimensions[2..]) plane *= size;
        return plane;
    }
}
