using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Reference;
using CoInference.Kernels.Simd.Layout;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;

namespace CoInference.Runtime.DeviceChecks;

/// <summary>Copies with another order: results are equal, and what is no target stays as it was.</summary>
internal static class MovementChecks
{
    public static IEnumerable<KernelCheck> All() =>
    [
        new("copy.runs", new[] { (1, 1, 1, 1), (3, 5, 5, 9), (7, 64, 100, 64), (40, 3, 8, 5), (5, 130, 130, 200) }.Select((runs, i) =>
            new Func<ComputeDevice, CheckOutcome?>(device => Runs(device, runs.Item1, runs.Item2, runs.Item3, runs.Item4, i)))),
        new("copy.transposed", new int[][] { [0], [1, 0], [0, 2, 1], [2, 0, 1], [0, 2, 3, 1], [3, 1, 0, 4, 2] }.Select((order, i) =>
            new Func<ComputeDevice, CheckOutcome?>(device => Transposed(device, order, i)))),
        new("copy.sliced", new Slicing.Range[][]
        {
            [new(2, 1, 5)], [new(8, -2, 4), new(0, 3, 3)], [new(1, 1, 1), new(0, 1, 9), new(7, -1, 8)], [new(0, 2, 2), new(3, 1, 1), new(8, -4, 2), new(0, 1, 9)],
        }.Select((ranges, i) => new Func<ComputeDevice, CheckOutcome?>(device => Sliced(device, ranges, i)))),
        new("copy.channels", new[] { PixelGrid.All(5, 7), PixelGrid.All(8, 8), new PixelGrid(9, 13, 1, 2, 4, 2, 3, 4), new PixelGrid(1, 1, 0, 1, 1, 0, 1, 1) }.Select((grid, i) =>
            new Func<ComputeDevice, CheckOutcome?>(device => Channels(device, grid, i)))),
    ];

    private static CheckOutcome Runs(ComputeDevice device, int runs, int run, int sourceStride, int targetStride, int seed)
    {
        using var operands = new DeviceOperands(device);
        float[] x = RandomValues.Create(seed, ((runs - 1) * sourceStride) + run);
        var expected = new float[((runs - 1) * targetStride) + run];
        Array.Fill(expected, float.NaN);
        for (int i = 0; i < runs; i++) x.AsSpan(i * sourceStride, run).CopyTo(expected.AsSpan(i * targetStride));
        DeviceView<float> y = operands.Target(expected.Length);
        float[] actual = operands.RunOnce(DeviceOperators.CopyRuns(device, operands.Upload<float>(x), y, runs * run, run, sourceStride, targetStride), y);
        return CheckOutcome.Of($"{runs} runs of {run} values, {sourceStride} to {targetStride} apart", 0, expected, actual);
    }

    private static CheckOutcome Transposed(ComputeDevice device, int[] order, int seed)
    {
        int[] sizes = [4, 7, 3, 6, 5];
        Tensor source = Source(sizes[..order.Length], seed);
        int[] strides = source.Shape.Strides();
        return Strided(device, source, Transposition.Transpose(source, order), [.. order.Select(axis => strides[axis])], 0, $"{source.Shape} in the order {string.Join(", ", order)}");
    }

    private static CheckOutcome Sliced(ComputeDevice device, Slicing.Range[] ranges, int seed)
    {
        Tensor source = Source([.. Enumerable.Repeat(9, ranges.Length)], seed);
        int[] strides = source.Shape.Strides();
        int offset = ranges.Select((range, axis) => range.Start * strides[axis]).Sum();
        return Strided(device, source, Slicing.Slice(source, ranges), [.. ranges.Select((range, axis) => range.Step * strides[axis])], offset, $"{source.Shape} from {string.Join(", ", ranges.Select(range => range.Start))} on");
    }

    private static Tensor Source(int[] sizes, int seed)
    {
        var shape = new TensorShape(sizes);
        return Tensor.From<float>(shape, RandomValues.Create(seed, shape.Count));
    }

    private static CheckOutcome Strided(ComputeDevice device, Tensor source, Tensor expected, int[] strides, int offset, string name)
    {
        using var operands = new DeviceOperands(device);
        DeviceView<float> y = operands.Target(expected.Count);
        int[] axes = [.. expected.Shape.Dimensions, .. strides];
        float[] actual = operands.RunOnce(DeviceOperators.CopyStrided(device, operands.Upload<float>(source.Values<float>()), y, operands.Upload<int>(axes), offset), y);
        return CheckOutcome.Of(name, 0, expected.Values<float>(), actual);
    }

    private static CheckOutcome Channels(ComputeDevice device, PixelGrid grid, int seed)
    {
        const int Batch = 2, InChannels = 5, OutChannels = 6;
        // Channel 1 of the target is no target; channel 4 becomes zeros.
        int[] channels = [0, 3, 2, 0, 3, 4, 4, -1, 5, 3];
        using var operands = new DeviceOperands(device);
        float[] x = RandomValues.Create(seed, Batch * InChannels * grid.InHeight * grid.InWidth);
        int pixels = grid.OutHeight * grid.OutWidth;
        var expected = new float[Batch * OutChannels * pixels];
        Array.Fill(expected, float.NaN);
        for (int image = 0; image < Batch; image++)
        {
            for (int pair = 0; pair < channels.Length; pair += 2)
            {
                for (int pixel = 0; pixel < pixels; pixel++)
                {
                    int row = grid.FirstRow + (pixel / grid.OutWidth * grid.StepY), column = grid.FirstColumn + (pixel % grid.OutWidth * grid.StepX);
                    expected[(((image * OutChannels) + channels[pair]) * pixels) + pixel] = channels[pair + 1] < 0
                        ? 0 : x[(((((image * InChannels) + channels[pair + 1]) * grid.InHeight) + row) * grid.InWidth) + column];
                }
            }
        }

        DeviceView<float> y = operands.Target(expected.Length);
        float[] actual = operands.RunOnce(DeviceOperators.GatherChannels(device, grid, InChannels, OutChannels, Batch, operands.Upload<float>(x), y, operands.Upload<int>(channels)), y);
        return CheckOutcome.Of($"{grid.OutHeight} x {grid.OutWidth} of {grid.InHeight} x {grid.InWidth} pixels", 0, expected, actual);
    }
}
