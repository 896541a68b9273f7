using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Reference;
using CoInference.Kernels.Simd.Elementwise;
using CoInference.Kernels.Simd.Pooling;
using CoInference.Kernels.Tensors;
using ReferencePooling = CoInference.Kernels.Reference.Pooling;
using ReferenceSoftmax = CoInference.Kernels.Reference.Softmax;
using CoInference.Runtime.Execution;

namespace CoInference.Runtime.DeviceChecks;

/// <summary>Functions of single values, pools, softmax, and the kernels that measure peaks.</summary>
internal static class OperatorChecks
{
    // A few roundings of single operations; a quotient of OpenCL may be off by 2.5 units in the last place.
    private const double OfOperations = 5e-7;

    // A mean or a sum of some thousand terms in another order.
    private const double OfSums = 5e-6;

    // What the dialect promises for functions of MathF.
    private const double OfFunctions = 2e-5;

    // Images, channels and pixels: one value, off every group of threads, whole groups.
    private static readonly (int Images, int Channels, int Pixels)[] Features = [(1, 1, 1), (2, 3, 35), (1, 4, 64), (3, 7, 130)];

    private static readonly (float Minimum, float Maximum) Clamp = (-0.9f, 1.1f);

    private static readonly int[] CopiedValues = [4, 1000, 4096];

    private static readonly int[] ChainSteps = [16, 64];

    public static IEnumerable<KernelCheck> All() =>
    [
        Map("clamp", UnaryFunction.Clamp, -0.5f, 0.75f, x => Math.Min(Math.Max(x, -0.5f), 0.75f)),
        Map("leaky-relu", UnaryFunction.LeakyRelu, 0.125f, 0, x => x > 0 ? x : 0.125 * x),
        Map("sigmoid", UnaryFunction.Sigmoid, 0, 0, x => 1 / (1 + Math.Exp(-x)), OfFunctions),
        Map("hard-sigmoid", UnaryFunction.HardSigmoid, 0.25f, 0.5f, x => Math.Clamp((0.25 * x) + 0.5, 0, 1)),
        Map("hard-swish", UnaryFunction.HardSwish, 0, 0, x => x * Math.Clamp((x / 6) + 0.5, 0, 1)),
        Map("tanh", UnaryFunction.Tanh, 0, 0, Math.Tanh, OfFunctions),
        Map("elu", UnaryFunction.Elu, 0.75f, 0, x => x >= 0 ? x : 0.75 * (Math.Exp(x) - 1), OfFunctions),
        Map("sqrt", UnaryFunction.Sqrt, 0, 0, Math.Sqrt, low: 0),
        Map("exp", UnaryFunction.Exp, 0, 0, Math.Exp, OfFunctions),
        Combine("add", BinaryFunction.Add, (x, y) => x + y),
        Combine("subtract", BinaryFunction.Subtract, (x, y) => x - y),
        Combine("multiply", BinaryFunction.Multiply, (x, y) => x * y),
        Combine("divide", BinaryFunction.Divide, (x, y) => x / y, low: 0.5),
        Combine("subtract-from", BinaryFunction.SubtractFrom, (x, y) => y - x),
        Combine("divide-into", BinaryFunction.DivideInto, (x, y) => y / x, low: 0.5),
        Combine("power", BinaryFunction.Power, Math.Pow, OfFunctions, low: 0.5),
        Combine("prelu", BinaryFunction.PRelu, (x, y) => x >= 0 ? x : x * y),
        new("scale-shift", Features.Select((feature, i) => new Func<ComputeDevice, CheckOutcome?>(device => ScaleShift(device, feature, i)))),
        Pool("max", PoolFunction.Max, 0),
        Pool("average", PoolFunction.Average, OfSums),
        Pool("average-padded", PoolFunction.AverageWithPadding, OfSums),
        GlobalPool("max", isMax: true, 0),
        GlobalPool("average", isMax: false, OfSums),
        Softmax("softmax", isLog: false),
        Softmax("log-softmax", isLog: true),
        new("peak.copy", CopiedValues.Select(count => new Func<ComputeDevice, CheckOutcome?>(device => PeakCopy(device, count)))),
        new("peak.multiply-add", ChainSteps.Select(steps => new Func<ComputeDevice, CheckOutcome?>(device => PeakMultiplyAdd(device, steps)))),
    ];

    private static KernelCheck Map(string name, UnaryFunction function, float alpha, float beta, Func<double, double> reference, double bound = OfOperations, double low = -4) =>
        new($"map.{name}", Features.Select((feature, i) => new Func<ComputeDevice, CheckOutcome?>(device =>
        {
            using var operands = new DeviceOperands(device);
            float[] x = RandomValues.Create(i, feature.Images * feature.Channels * feature.Pixels, low, 4);
            DeviceView<float> y = operands.Target(x.Length);
            float[] expected = Array.ConvertAll(x, value => (float)reference(value));
            float[] actual = operands.RunOnce(DeviceOperators.Unary(device, function, alpha, beta, operands.Upload<float>(x), y), y);
            return CheckOutcome.Of($"{x.Length} values", bound, expected, actual);
        })));

    // The second operand is as large as the first, one value, one per channel, or one per plane of each image.
    private static KernelCheck Combine(string name, BinaryFunction function, Func<double, double, double> reference, double bound = OfOperations, double low = -2) =>
        new($"combine.{name}", Features.SelectMany((feature, i) => Enumerable.Range(0, 4).Select(spread => new Func<ComputeDevice, CheckOutcome?>(device =>
        {
            (int images, int channels, int pixels) = feature;
            using var operands = new DeviceOperands(device);
            float[] x = RandomValues.Create(i, images * channels * pixels, low, 2);
            float[] y = RandomValues.Create(i + 100, spread switch { 0 => x.Length, 1 => 1, 2 => channels, _ => images * channels }, low, 2);
            var expected = new float[x.Length];
            for (int at = 0; at < x.Length; at++)
            {
                int other = spread switch { 0 => at, 1 => 0, 2 => at / pixels % channels, _ => at / pixels };
                expected[at] = (float)Math.Clamp(reference(x[at], y[other]), Clamp.Minimum, Clamp.Maximum);
            }

            DeviceView<float> z = operands.Target(x.Length);
            float[] actual = operands.RunOnce(DeviceOperators.Binary(device, function, Clamp, operands.Upload<float>(x), operands.Upload<float>(y), z, channels, pixels), z);
            return CheckOutcome.Of($"{images}x{channels}x{pixels} values and {y.Length}", bound, expected, actual);
        }))));

    private static CheckOutcome ScaleShift(ComputeDevice device, (int Images, int Channels, int Pixels) feature, int seed)
    {
        using var operands = new DeviceOperands(device);
        float[] x = RandomValues.Create(seed, feature.Images * feature.Channels * feature.Pixels);
        float[] scale = RandomValues.Create(seed + 1, feature.Channels), shift = RandomValues.Create(seed + 2, feature.Channels);
        var expected = new float[x.Length];
        for (int i = 0; i < x.Length; i++)
        {
            int channel = i / feature.Pixels % feature.Channels;
            expected[i] = (float)Math.Clamp(((double)x[i] * scale[channel]) + shift[channel], Clamp.Minimum, Clamp.Maximum);
        }

        DeviceView<float> y = operands.Target(x.Length);
        DeviceLaunch launch = DeviceOperators.ScaleShift(device, Clamp, operands.Upload<float>(x), operands.Upload<float>(scale), operands.Upload<float>(shift), y, feature.Pixels);
        return CheckOutcome.Of($"{feature.Images}x{feature.Channels}x{feature.Pixels} values", OfOperations, expected, operands.RunOnce(launch, y));
    }

    // As in networks, overlapping, dilated, padded on some sides only, with a last window that reaches over the edge, and wider than the input.
    private static KernelCheck Pool(string name, PoolFunction function, double bound)
    {
        (int[] Input, SpatialWindow Window)[] cases =
        [
            .. new (int[] Input, int[] Kernel, long[] Strides, long[] Dilations, long[] Pads, bool Ceiling)[]
            {
                ([1, 1], [1, 1], [1, 1], [1, 1], [0, 0, 0, 0], false),
                ([8, 8], [2, 2], [2, 2], [1, 1], [0, 0, 0, 0], false),
                ([13, 11], [3, 3], [2, 2], [1, 1], [1, 1, 1, 1], false),
                ([14, 10], [3, 2], [1, 2], [2, 1], [0, 1, 2, 0], false),
                ([9, 12], [3, 3], [2, 2], [1, 1], [0, 0, 0, 0], true),
                ([3, 4], [5, 5], [1, 1], [1, 1], [2, 2, 2, 2], false),
            }.Select(pool => (pool.Input, SpatialWindow.Create(pool.Input, pool.Kernel, pool.Strides, pool.Dilations, pool.Pads, ceiling: pool.Ceiling))),
        ];
        return new($"pool.{name}", cases.Select((pool, i) => new Func<ComputeDevice, CheckOutcome?>(device =>
        {
            (int[] size, SpatialWindow window) = pool;
            using var operands = new DeviceOperands(device);
            var input = Tensor.From<float>(new TensorShape(2, 3, size[0], size[1]), RandomValues.Create(i, 6 * size[0] * size[1], -1, 2));
            Tensor expected = function == PoolFunction.Max ? ReferencePooling.Max(input, window).Values : ReferencePooling.Average(input, window, function == PoolFunction.AverageWithPadding);
            var shape = new PoolWindow(
                size[0], size[1], window.Output[0], window.Output[1], window.Kernel[0], window.Kernel[1], window.Strides[0], window.Strides[1],
                window.PadsBegin[0], window.PadsBegin[1], window.PadsEnd[0], window.PadsEnd[1], window.Dilations[0], window.Dilations[1]);
            DeviceView<float> y = operands.Target(expected.Count);
            float[] actual = operands.RunOnce(DeviceOperators.Pool(device, function, shape, operands.Upload<float>(input.Values<float>()), y), y);
            return CheckOutcome.Of($"{input.Shape}, window {window.Kernel[0]}x{window.Kernel[1]}", bound, expected.Values<float>(), actual);
        })));
    }

    private static KernelCheck GlobalPool(string name, bool isMax, double bound) =>
        new($"global-pool.{name}", new[] { (1, 1), (7, 7), (8, 8), (13, 5), (56, 57) }.Select((size, i) => new Func<ComputeDevice, CheckOutcome?>(device =>
        {
            using var operands = new DeviceOperands(device);
            var input = Tensor.From<float>(new TensorShape(2, 5, size.Item1, size.Item2), RandomValues.Create(i, 10 * size.Item1 * size.Item2, -1, 2));
            Tensor expected = ReferencePooling.Global(input, isMax);
            DeviceView<float> y = operands.Target(expected.Count);
            float[] actual = operands.RunOnce(DeviceOperators.GlobalPool(device, isMax, size.Item1 * size.Item2, operands.Upload<float>(input.Values<float>()), y), y);
            return CheckOutcome.Of($"{input.Shape}", bound, expected.Values<float>(), actual);
        })));

    private static KernelCheck Softmax(string name, bool isLog) =>
        new(name, new[] { (1, 1), (3, 10), (2, 64), (5, 65), (2, 1000) }.Select((size, i) => new Func<ComputeDevice, CheckOutcome?>(device =>
        {
            (int rows, int length) = size;
            using var operands = new DeviceOperands(device);
            // Exponentials of these would overflow without the largest taken off.
            var input = Tensor.From<float>(new TensorShape(rows, length), RandomValues.Create(i, rows * length, 90, 110));
            Tensor expected = ReferenceSoftmax.Run(input, axis: 1, throughLastAxis: false, isLog);
            DeviceView<float> y = operands.Target(input.Count);
            float[] actual = operands.RunOnce(DeviceOperators.Softmax(device, isLog, length, operands.Upload<float>(input.Values<float>()), y), y);
            return CheckOutcome.Of($"{rows} rows of {length}", OfFunctions, expected.Values<float>(), actual);
        })));

    private static CheckOutcome PeakCopy(ComputeDevice device, int count)
    {
        using var operands = new DeviceOperands(device);
        float[] x = RandomValues.Create(count, count);
        DeviceView<float> y = operands.Target(count);
        return CheckOutcome.Of($"{count} values", 0, x, operands.RunOnce(DevicePeakKernels.Copy(device, operands.Upload<float>(x), y), y));
    }

    // Chains of fused multiply-adds are exact: y = x / 2 + 1 from k + thread on, as often as there are steps of a chain.
    private static CheckOutcome PeakMultiplyAdd(ComputeDevice device, int steps)
    {
        const int Threads = 512, Chains = 8;
        using var operands = new DeviceOperands(device);
        var expected = new float[Threads];
        for (int thread = 0; thread < Threads; thread++)
        {
            for (int k = 0; k < Chains; k++)
            {
                float value = k + thread;
                for (int step = 0; step < steps; step++) value = MathF.FusedMultiplyAdd(value, 0.5f, 1);
                expected[thread] += value;
            }
        }

        DeviceView<float> y = operands.Target(Threads);
        return CheckOutcome.Of($"{steps} steps", 0, expected, operands.RunOnce(DevicePeakKernels.MultiplyAdd(device, y, steps), y));
    }
}
