using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>1x1 layers of stride 1 as one matrix product per image and group: the input is the right matrix as it lies.</summary>
/// <remarks>Pixels of different images share no tile, so small images leave tiles part empty; <see cref="ImplicitConvKernel"/> joins them.</remarks>
/// <param name="product">The product.</param>
internal sealed class PointwiseConvKernel(TiledGemmKernel product) : DeviceConvKernel
{
    public override string Name => $"conv.pointwise.{product.Name["gemm.".Length..]}";

    public override WeightForm Form => WeightForm.Dense;

    public override bool Supports(ConvShape shape, DeviceLimits limits) =>
        shape.IsPointwise
        && product.Supports(Product(shape), new GemmEpilogue(Bias: GemmBias.PerRow), limits);

    // Fours of pixels are loaded at once, without a table of taps.
    public override double Cost(ConvShape shape, double density, DeviceLimits limits) => 0.95 * product.Cost(Product(shape), limits);

    public override DeviceConvLayer Prepare(ComputeDevice device, ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        GemmShape matrices = Product(shape);
        var packed = new float[weights.Length];
        for (int group = 0; group < shape.Groups; group++)
        {
            int start = group * matrices.Rows * matrices.Depth;
            for (int row = 0; row < matrices.Rows; row++)
            {
                for (int k = 0; k < matrices.Depth; k++) packed[start + (k * matrices.Rows) + row] = weights[start + (row * matrices.Depth) + k];
            }
        }

        return new Layer(device, shape, epilogue, product, packed, bias);
    }

    private static GemmShape Product(ConvShape shape) => new(
        shape.OutChannels / shape.Groups, shape.OutHeight * shape.OutWidth, shape.InChannels / shape.Groups, TransposeA: true,
        Count: shape.Batch * shape.Groups, CountA: shape.Groups, CountB: shape.Batch * shape.Groups);

    private sealed class Layer : DeviceConvLayer
    {
        private readonly ConvShape _shape;
        private readonly Epilogue _epilogue;
        private readonly TiledGemmKernel _product;
        private readonly DeviceBuffer _weights;
        private readonly DeviceBuffer _bias;

        public Layer(ComputeDevice device, ConvShape shape, Epilogue epilogue, TiledGemmKernel product, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
        {
            (Device, _shape, _epilogue, _product) = (device, shape, epilogue, product);
            _weights = Upload(weights);
            _bias = Upload(bias);
        }

        public override long WorkspaceValues => _product.WorkspaceValues(Product(_shape), Device.Limits);

        protected override ComputeDevice Device { get; }

        public override DeviceLaunch Bind(DeviceView<float> input, DeviceView<float> residual, DeviceView<float> output, DeviceView<float> workspace)
        {
            (float minimum, float maximum) = Bounds(_epilogue);
            var epilogue = new GemmEpilogue(Bias: GemmBias.PerRow, HasResidual: _epilogue.HasResidual, Minimum: minimum, Maximum: maximum);
            return _product.Bind(Device, Product(_shape), epilogue, new GemmViews(_weights.View<float>(), input, _bias.View<float>(), residual, output), workspace);
        }
    }
}
