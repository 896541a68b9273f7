using System.Globalization;
using CoInference.Kernels.Gpu.Programs;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>Depthwise layers, a strip of rows per thread (<see cref="Convolution.Depthwise"/>).</summary>
/// <remarks>Weights and sums live in registers: 9 + 4 for a 3x3 kernel and strips of 4 rows. The floor is the bytes of input and output.</remarks>
/// <param name="rows">Rows of a strip.</param>
internal sealed class DepthwiseConvKernel(int rows) : DeviceConvKernel
{
    private const int Threads = 128;
    private const int LargestKernel = 7;

    public override string Name => string.Create(CultureInfo.InvariantCulture, $"conv.depthwise.{rows}");

    public override WeightForm Form => WeightForm.Dense;

    public override bool Supports(ConvShape shape, DeviceLimits limits) =>
        shape.InChannels == shape.Groups && shape is { DilationY: 1, DilationX: 1, KernelHeight: <= LargestKernel, KernelWidth: <= LargestKernel, StrideY: <= 4 }
        && shape.OutHeight >= rows;

    public override double Cost(ConvShape shape, double density, DeviceLimits limits)
    {
        double padded = (double)ProductTile.Tiles(shape.OutHeight, rows) * rows / shape.OutHeight;
        double loadsPerProduct = (((rows - 1) * shape.StrideY) + shape.KernelHeight) / (double)(rows * shape.KernelHeight);
        double threads = OutputCount(shape) / (double)rows;
        return padded * shape.MultiplyAdds * (1 + (3 * loadsPerProduct)) * Math.Max(1, limits.ComputeUnits * 512 / threads);
    }

    public override DeviceConvLayer Prepare(ComputeDevice device, ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias) =>
        new Layer(device, shape, epilogue, rows, weights, bias);

    private sealed class Layer : DeviceConvLayer
    {
        private readonly ConvShape _shape;
        private readonly Epilogue _epilogue;
        private readonly int _rows;
        private readonly DeviceBuffer _weights;
        private readonly DeviceBuffer _bias;

        public Layer(ComputeDevice device, ConvShape shape, Epilogue epilogue, int rows, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
        {
            (Device, _shape, _epilogue, _rows) = (device, shape, epilogue, rows);
            _weights = Upload(weights);
            _bias = Upload(bias);
        }

        protected override ComputeDevice Device { get; }

        public override DeviceLaunch Bind(DeviceView<float> input, DeviceView<float> residual, DeviceView<float> output, DeviceView<float> workspace)
        {
            DeviceKernel kernel = Convolution_Depthwise.Bind(
                Device, input, _weights.View<float>(), _bias.View<float>(), _epilogue.HasResidual ? residual : output, output,
                Geometry(_shape, _epilogue, _shape.OutChannels / _shape.Groups), _epilogue.HasResidual ? 1 : 0,
                _shape.KernelHeight, _shape.KernelWidth, _shape.StrideY, _rows);
            long strips = (long)_shape.Batch * _shape.OutChannels * ProductTile.Tiles(_shape.OutHeight, _rows);
            return new DeviceLaunch(kernel, LaunchShape.Linear(strips * _shape.OutWidth, Threads));
        }
    }
}
