using System.Diagnostics;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Reference;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Quantized;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>One kernel of a layer in 8-bit integers, or a float kernel beside it.</summary>
/// <param name="Kernel">Kernel name.</param>
/// <param name="Type">Type of the input.</param>
/// <param name="Threads">Threads.</param>
/// <param name="MedianMicroseconds">Median time of one run.</param>
/// <param name="P10Microseconds">Time that a tenth of the samples stay below.</param>
/// <param name="P90Microseconds">Time that nine tenths of the samples stay below.</param>
/// <param name="Gops">Operations of the layer (two per multiply-add) per median time, in 1e9 per second.</param>
/// <param name="WrongSums">Sums that differ from the integer reference; null for a float kernel.</param>
/// <param name="IsPicked">Whether a session would run the layer of integers on this kernel.</param>
/// <param name="VersusDirect">Median time of the fastest direct float kernel over that of this kernel.</param>
public sealed record IntegerTiming(
    string Kernel,
    ElementType Type,
    int Threads,
    double MedianMicroseconds,
    double P10Microseconds,
    double P90Microseconds,
    double Gops,
    int? WrongSums,
    bool IsPicked,
    double VersusDirect);

/// <summary>
/// The kernels of a layer of 8-bit integers, timed against each other and against the float kernels of the same layer, and
/// compared sum by sum with the integer reference.
/// </summary>
/// <param name="Shape">The layer.</param>
/// <param name="Rows">One row per kernel, fastest first.</param>
public sealed record IntegerComparison(ConvShape Shape, IReadOnlyList<IntegerTiming> Rows)
{
    private const int ZeroPoint = 117;

    /// <summary>Times and checks unsigned inputs with signed weights, both over their whole ranges.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="threads">Threads, at least 1.</param>
    /// <param name="rounds">Samples per kernel.</param>
    /// <param name="cancellation">Stops between samples.</param>
    /// <exception cref="ArgumentException">The shape is invalid or a number is out of range.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static IntegerComparison Run(
        ConvShape shape, int threads = 1, int rounds = KernelComparison.DefaultRounds, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(shape);
        shape.Validate();
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(rounds, 1);
        using WorkerSet? own = threads > 1 ? new WorkerSet(threads) : null;
        WorkerSet workers = own ?? WorkerSet.Single;

        (Tensor input, Tensor weights) = RandomOperands(shape);
        int[] expected = Expected(shape, input, weights);
        short[] packed = Array.ConvertAll(weights.Values<sbyte>().ToArray(), weight => (short)weight);
        List<IntegerConv> kernels = [new IntegerConv(shape, packed)];
        var portable = new IntegerConv(shape, packed, portable: true);
        if (portable.Name != kernels[0].Name) kernels.Add(portable);
        IntegerRun[] integers = [.. kernels.Select(kernel => new IntegerRun(kernel, shape, input, workers))];

        var layer = new RandomLayer(shape, Epilogue.Relu, WeightForm.Dense, density: 1);
        StepVariant[] candidates = [.. KernelChooser.Default.AllConvolutions(shape, Epilogue.Relu, layer.Zeros, threads, precise: false)];
        LayerRun[] floats = [.. candidates.Select(candidate => LayerRun.Create(layer, candidate, workers))];

        int?[] wrong = [.. integers.Select(run => (int?)run.WrongSums(expected)), .. floats.Select(_ => (int?)null)];
        Func<int, double>[] work = [.. integers.Select(run => InterleavedTimer.OnHost(run.Execute)), .. floats.Select(run => (Func<int, double>)run.Sample)];
        double[][] samples = InterleavedTimer.Measure(work, rounds, cancellation);
        double[] medians = [.. samples.Select(sample => InterleavedTimer.Quantile(sample, 0.5))];
        string[] names = [.. kernels.Select(kernel => kernel.Name), .. candidates.Select(candidate => candidate.Kernel)];
        double direct = Enumerable.Range(0, candidates.Length)
            .Where(i => candidates[i].Convolution!.Kernel is { Form: WeightForm.Dense, ErrorUnits: null })
            .Min(i => medians[integers.Length + i]);
        IntegerTiming[] rows =
        [
            .. Enumerable.Range(0, medians.Length).Select(i => new IntegerTiming(
                names[i],
                i < integers.Length ? ElementType.UInt8 : ElementType.Float32,
                threads,
                medians[i],
                InterleavedTimer.Quantile(samples[i], 0.1),
                InterleavedTimer.Quantile(samples[i], 0.9),
                2e-3 * shape.MultiplyAdds / medians[i],
                wrong[i],
                IsPicked: i == 0,
                direct / medians[i])),
        ];
        Array.Sort(rows, (a, b) => a.MedianMicroseconds.CompareTo(b.MedianMicroseconds));
        return new IntegerComparison(shape, rows);
    }

    private static (Tensor Input, Tensor Weights) RandomOperands(ConvShape shape)
    {
        var random = new Random(17);
        var input = new Tensor(ElementType.UInt8, new TensorShape(shape.Batch, shape.InChannels, shape.InHeight, shape.InWidth));
        var weights = new Tensor(ElementType.Int8, new TensorShape(shape.OutChannels, shape.InChannels / shape.Groups, shape.KernelHeight, shape.KernelWidth));
        random.NextBytes(input.Bytes);
        random.NextBytes(weights.Bytes);
        return (input, weights);
    }

    private static int[] Expected(ConvShape shape, Tensor input, Tensor weights)
    {
        SpatialWindow window = SpatialWindow.Create(
            [shape.InHeight, shape.InWidth], [shape.KernelHeight, shape.KernelWidth], [shape.StrideY, shape.StrideX],
            [shape.DilationY, shape.DilationX], [shape.PadTop, shape.PadLeft, shape.PadBottom, shape.PadRight]);
        Tensor zero = Tensor.From<byte>(new TensorShape(), [ZeroPoint]);
        return Convolution.RunInteger(input, weights, zero, null, window, shape.Groups).Values<int>().ToArray();
    }

    private sealed unsafe class IntegerRun(IntegerConv kernel, ConvShape shape, Tensor input, WorkerSet workers) : IParallelWork
    {
        private readonly Tensor _sums = new(ElementType.Int32, new TensorShape(shape.Batch, shape.OutChannels, shape.OutHeight, shape.OutWidth));
        private readonly AlignedBuffer _scratch = new(Math.Max(64, kernel.ScratchBytes));
        private readonly int _parts = Math.Min(kernel.Units, workers.Threads);

        public void Execute()
        {
            if (_parts == 1) ((IParallelWork)this).Execute(0);
            else workers.Run(this, _parts);
        }

        void IParallelWork.Execute(int part) => kernel.Run(
            (byte*)input.Pointer, isSigned: false, ZeroPoint, (int*)_sums.Pointer, storesFloats: false, _scratch.Pointer,
            (int)((long)kernel.Units * part / _parts), (int)((long)kernel.Units * (part + 1) / _parts));

        public int WrongSums(int[] expected)
        {
            Execute();
            ReadOnlySpan<int> actual = _sums.Values<int>();
            Debug.Assert(actual.Length == expected.Length, "The reference computes the same layer.");
            int wrong = 0;
            for (int i = 0; i < expected.Length; i++)
            {
                if (actual[i] != expected[i]) wrong++;
            }

            return wrong;
        }
    }
}
