using CoInference.Kernels.Gpu.Programs;
using CoInference.Kernels.Simd.Elementwise;
using CoInference.Kernels.Simd.Layout;
using CoInference.Kernels.Simd.Pooling;
using CoInference.Kernels.Simd.Quantized;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>Everything but convolutions, bound to operands on a device. Values are NCHW.</summary>
public static class DeviceOperators
{
    private const int Threads = 64;

    /// <summary>y = f(x) for every value; y may be x.</summary>
    /// <param name="device">The device.</param>
    /// <param name="function">The function.</param>
    /// <param name="alpha">Its first parameter.</param>
    /// <param name="beta">Its second parameter.</param>
    /// <param name="x">Source.</param>
    /// <param name="y">Target, as long as the source.</param>
    public static DeviceLaunch Unary(ComputeDevice device, UnaryFunction function, float alpha, float beta, DeviceView<float> x, DeviceView<float> y) =>
        new(Elementwise_Map.Bind(device, x, y, x.Length, alpha, beta, (int)function), LaunchShape.Linear(x.Length, Threads));

    /// <summary>z = clamp(f(x, y)); z may be an operand of its length.</summary>
    /// <param name="device">The device.</param>
    /// <param name="function">The function.</param>
    /// <param name="clamp">Bounds of the result.</param>
    /// <param name="x">First operand, [images][channels][pixels].</param>
    /// <param name="y">Second operand: as x, one value, or one per plane or channel.</param>
    /// <param name="z">Result, as long as x.</param>
    /// <param name="channels">Channels of an image.</param>
    /// <param name="pixels">Pixels of a plane.</param>
    public static DeviceLaunch Binary(
        ComputeDevice device, BinaryFunction function, (float Minimum, float Maximum) clamp, DeviceView<float> x, DeviceView<float> y, DeviceView<float> z, int channels, int pixels)
    {
        int spread = y.Length == x.Length ? 0 : y.Length == 1 ? 1 : 2;
        int batchStride = y.Length > channels ? channels : 0;
        DeviceKernel kernel = Elementwise_Combine.Bind(
            device, x, y, z, x.Length, pixels, channels, batchStride, clamp.Minimum, clamp.Maximum, (int)function, spread);
        return new DeviceLaunch(kernel, LaunchShape.Linear(x.Length, Threads));
    }

    /// <summary>y = clamp(x scale + shift) with constants per channel; y may be x.</summary>
    public static DeviceLaunch ScaleShift(
        ComputeDevice device, (float Minimum, float Maximum) clamp, DeviceView<float> x, DeviceView<float> scale, DeviceView<float> shift, DeviceView<float> y, int pixels) =>
        new(Elementwise_ScaleShift.Bind(device, x, scale, shift, y, x.Length, pixels, scale.Length, clamp.Minimum, clamp.Maximum), LaunchShape.Linear(x.Length, Threads));

    /// <summary>A pool over sliding windows.</summary>
    /// <param name="device">The device.</param>
    /// <param name="function">The function.</param>
    /// <param name="window">The window.</param>
    /// <param name="x">Planes.</param>
    /// <param name="y">Planes.</param>
    public static DeviceLaunch Pool(ComputeDevice device, PoolFunction function, PoolWindow window, DeviceView<float> x, DeviceView<float> y)
    {
        var shape = new ConvGeometry
        {
            InHeight = window.InHeight,
            InWidth = window.InWidth,
            OutHeight = window.OutHeight,
            OutWidth = window.OutWidth,
            KernelHeight = window.KernelHeight,
            KernelWidth = window.KernelWidth,
            StrideY = window.StrideY,
            StrideX = window.StrideX,
            DilationY = window.DilationY,
            DilationX = window.DilationX,
            PadTop = window.PadTop,
            PadLeft = window.PadLeft,
        };
        DeviceKernel kernel = Pooling_Window.Bind(
            device, x, y, shape, window.PadBottom, window.PadRight, function == PoolFunction.Max ? 1 : 0, function == PoolFunction.AverageWithPadding ? 1 : 0);
        int planes = x.Length / (window.InHeight * window.InWidth);
        return new DeviceLaunch(kernel, LaunchShape.Linear((long)window.OutHeight * window.OutWidth, Threads) with { GroupsY = planes });
    }

    /// <summary>Mean or maximum of every plane of <paramref name="pixels"/> values.</summary>
    public static DeviceLaunch GlobalPool(ComputeDevice device, bool isMax, int pixels, DeviceView<float> x, DeviceView<float> y) =>
        new(Pooling_Plane.Bind(device, x, y, pixels, isMax ? 1 : 0), new LaunchShape(y.Length, 1, 1, 64));

    /// <summary>Softmax, or its logarithm, of every row of <paramref name="length"/> values; y may be x.</summary>
    public static DeviceLaunch Softmax(ComputeDevice device, bool isLog, int length, DeviceView<float> x, DeviceView<float> y) =>
        new(Normalization_Softmax.Bind(device, x, y, length, isLog ? 1 : 0), new LaunchShape(x.Length / length, 1, 1, 64));

    /// <summary>Copies <paramref name="count"/> / <paramref name="run"/> runs from a value with one distance between runs to another.</summary>
    public static DeviceLaunch CopyRuns(ComputeDevice device, DeviceView<float> x, DeviceView<float> y, int count, int run, int sourceStride, int targetStride) =>
        new(Movement_Runs.Bind(device, x, y, count, run, sourceStride, targetStride), LaunchShape.Linear(count, Threads));

    /// <summary>Reads a value with a stride of its own per axis of the target.</summary>
    /// <param name="device">The device.</param>
    /// <param name="x">Source.</param>
    /// <param name="y">Target.</param>
    /// <param name="axes">Size of each axis of the target, then elements of the source between neighbours along it.</param>
    /// <param name="offset">Element of the source that the first one of the target is.</param>
    public static DeviceLaunch CopyStrided(ComputeDevice device, DeviceView<float> x, DeviceView<float> y, DeviceView<int> axes, int offset) =>
        new(Movement_Strided.Bind(device, x, y, axes, axes.Length / 2, offset), LaunchShape.Linear(y.Length, Threads));

    /// <summary>Copies some channels of images at a grid of pixels, or fills channels with zeros.</summary>
    /// <param name="device">The device.</param>
    /// <param name="grid">The pixels.</param>
    /// <param name="inChannels">Channels of a source image.</param>
    /// <param name="outChannels">Channels of a target image.</param>
    /// <param name="batch">Images.</param>
    /// <param name="x">Source images.</param>
    /// <param name="y">Target images.</param>
    /// <param name="channels">Pairs: channel of the target, channel of the source or -1 for zeros.</param>
    public static DeviceLaunch GatherChannels(
        ComputeDevice device, PixelGrid grid, int inChannels, int outChannels, int batch, DeviceView<float> x, DeviceView<float> y, DeviceView<int> channels)
    {
        var pixels = new GatherGrid
        {
            InChannels = inChannels,
            InHeight = grid.InHeight,
            InWidth = grid.InWidth,
            OutChannels = outChannels,
            OutHeight = grid.OutHeight,
            OutWidth = grid.OutWidth,
            FirstRow = grid.FirstRow,
            StepY = grid.StepY,
            FirstColumn = grid.FirstColumn,
            StepX = grid.StepX,
        };
        return new DeviceLaunch(
            Movement_Channels.Bind(device, x, y, channels, pixels),
            LaunchShape.Linear((long)grid.OutHeight * grid.OutWidth, Threads) with { GroupsY = channels.Length / 2, GroupsZ = batch });
    }

    /// <summary>Rebuilds channels of a feature as affine combinations of others: target = max(minimum, bias + weights source).</summary>
    /// <param name="device">The device.</param>
    /// <param name="feature">[channel][pixel], holds sources and targets.</param>
    /// <param name="pixels">Values of a plane.</param>
    /// <param name="kept">Channels of the sources.</param>
    /// <param name="dropped">Channels of the targets.</param>
    /// <param name="weights">[target][source].</param>
    /// <param name="bias">Per target.</param>
    /// <param name="minimum">Lower bound per target.</param>
    public static DeviceLaunch RebuildChannels(
        ComputeDevice device, DeviceView<float> feature, int pixels, DeviceView<int> kept, DeviceView<int> dropped, DeviceView<float> weights, DeviceView<float> bias, DeviceView<float> minimum) =>
        new(FeatureQuantization_Rebuild.Bind(device, feature, kept, dropped, weights, bias, minimum, pixels), LaunchShape.Linear(pixels, Threads) with { GroupsY = dropped.Length });

    /// <summary>y = round(x / scale) + zero point, saturated, to the bit as <see cref="ByteQuantizer.Quantize"/>.</summary>
    /// <param name="device">The device.</param>
    /// <param name="x">Source.</param>
    /// <param name="scales">Scales, one or as many as there are indices of an axis.</param>
    /// <param name="zeroPoints">As many zero points.</param>
    /// <param name="y">Bytes, as many as there are values; signed ones by their bits.</param>
    /// <param name="inner">Values that follow each other with one scale.</param>
    /// <param name="isSigned">Whether the range is -128 to 127, else 0 to 255.</param>
    public static DeviceLaunch Quantize(
        ComputeDevice device, DeviceView<float> x, DeviceView<float> scales, DeviceView<int> zeroPoints, DeviceView<byte> y, int inner, bool isSigned) =>
        new(ByteQuantization_Quantize.Bind(device, x, scales, zeroPoints, y, x.Length, inner, scales.Length, isSigned ? sbyte.MinValue : 0, isSigned ? sbyte.MaxValue : byte.MaxValue), LaunchShape.Linear(x.Length, Threads));

    /// <summary>y = (x - zero point) scale, to the bit as <see cref="ByteQuantizer.Dequantize"/>.</summary>
    /// <param name="device">The device.</param>
    /// <param name="x">Bytes; signed ones by their bits.</param>
    /// <param name="scales">Scales, one or as many as there are indices of an axis.</param>
    /// <param name="zeroPoints">As many zero points.</param>
    /// <param name="y">As many values as bytes.</param>
    /// <param name="inner">Values that follow each other with one scale.</param>
    /// <param name="isSigned">Whether the bytes are signed.</param>
    public static DeviceLaunch Dequantize(
        ComputeDevice device, DeviceView<byte> x, DeviceView<float> scales, DeviceView<int> zeroPoints, DeviceView<float> y, int inner, bool isSigned) =>
        new(ByteQuantization_Dequantize.Bind(device, x, scales, zeroPoints, y, y.Length, inner, scales.Length, isSigned ? 0x80 : 0), LaunchShape.Linear(y.Length, Threads));

    /// <summary>Unsigned bytes of the scale and zero point that a known range asks for, to the bit as <see cref="ByteQuantizer.Range"/> and <see cref="ByteQuantizer.Quantize"/>.</summary>
    /// <param name="device">The device.</param>
    /// <param name="x">Source.</param>
    /// <param name="minimum">Its smallest value.</param>
    /// <param name="maximum">Its largest value.</param>
    /// <param name="y">As many bytes as values.</param>
    /// <param name="scale">Receives the scale.</param>
    /// <param name="zeroPoint">Receives the zero point.</param>
    public static DeviceLaunch QuantizeRange(
        ComputeDevice device, DeviceView<float> x, DeviceView<float> minimum, DeviceView<float> maximum, DeviceView<byte> y, DeviceView<float> scale, DeviceView<byte> zeroPoint) =>
        new(ByteQuantization_QuantizeRange.Bind(device, x, minimum, maximum, y, scale, zeroPoint, x.Length), LaunchShape.Linear(x.Length, Threads));

    /// <summary>y = x as floats; y may be the memory of x.</summary>
    public static DeviceLaunch ConvertToFloat(ComputeDevice device, DeviceView<int> x, DeviceView<float> y) =>
        new(ByteQuantization_Convert.Bind(device, x, y, x.Length), LaunchShape.Linear(x.Length, Threads));

    /// <summary>A stack of matrix products with the kernel of the lowest guess.</summary>
    /// <param name="device">The device.</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="epilogue">What is fused into the store.</param>
    /// <param name="views">The matrices.</param>
    public static DeviceLaunch Gemm(ComputeDevice device, GemmShape shape, GemmEpilogue epilogue, GemmViews views) =>
        DeviceGemmKernels.Choose(shape, epilogue, device.Limits)!.Bind(device, shape, epilogue, views, default);
}
