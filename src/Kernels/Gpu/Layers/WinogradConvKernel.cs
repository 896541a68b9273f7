using System.Globalization;
using CoInference.Kernels.Gpu.Programs;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>3x3 layers of stride 1 by minimal filtering (<see cref="Winograd"/>): transform, one matrix product per place of a patch, transform back.</summary>
/// <remarks>
/// F(2,3) needs 16 products for 4 results in place of 36, F(4,3) 36 for 16 in place of 144; both move 16/4 or 36/16 values per input
/// and output value through memory twice. The transforms of F(4,3) hold a patch of 36 values in registers.
/// </remarks>
/// <param name="size">Results of a patch in each direction, 2 or 4.</param>
internal sealed class WinogradConvKernel(int size) : DeviceConvKernel
{
    private const int Threads = 128;

    private static readonly double[,] Weights2 = { { 1, 0, 0 }, { 0.5, 0.5, 0.5 }, { 0.5, -0.5, 0.5 }, { 0, 0, 1 } };

    private static readonly double[,] Weights4 =
    {
        { 1 / 4.0, 0, 0 }, { -1 / 6.0, -1 / 6.0, -1 / 6.0 }, { -1 / 6.0, 1 / 6.0, -1 / 6.0 }, { 1 / 24.0, 1 / 12.0, 1 / 6.0 }, { 1 / 24.0, -1 / 12.0, 1 / 6.0 }, { 0, 0, 1 },
    };

    private int Side => size + 2;

    private int Places => Side * Side;

    public override string Name => string.Create(CultureInfo.InvariantCulture, $"conv.winograd.{size}");

    public override WeightForm Form => WeightForm.Dense;

    public override double? ErrorUnits => size == 2 ? 4 : 24;

    public override bool Supports(ConvShape shape, DeviceLimits limits) =>
        shape is { KernelHeight: 3, KernelWidth: 3, StrideY: 1, StrideX: 1, DilationY: 1, DilationX: 1, Groups: 1 }
        && shape.InChannels <= MostGroupsAlongZ && shape.OutChannels <= MostGroupsAlongZ && Workspace(shape) <= int.MaxValue && Tiles(shape, limits).Any();

    public override double Cost(ConvShape shape, double density, DeviceLimits limits)
    {
        GemmShape product = Product(shape);
        // Written and read once each; patches overlap, but caches keep what is read again.
        double moved = 2.0 * Workspace(shape);
        return Tiles(shape, limits).Min(tile => tile.Cost(product, limits)) + (moved * PerValueMoved);
    }

    public override DeviceConvLayer Prepare(ComputeDevice device, ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        double[,] transform = size == 2 ? Weights2 : Weights4;
        var transformed = new float[Places * shape.InChannels * shape.OutChannels];
        Span<double> half = stackalloc double[Side * 3];
        for (int k = 0; k < shape.OutChannels; k++)
        {
            for (int c = 0; c < shape.InChannels; c++)
            {
                ReadOnlySpan<float> kernel = weights.Slice(((k * shape.InChannels) + c) * 9, 9);
                for (int i = 0; i < Side; i++)
                {
                    for (int j = 0; j < 3; j++) half[(i * 3) + j] = (transform[i, 0] * kernel[j]) + (transform[i, 1] * kernel[3 + j]) + (transform[i, 2] * kernel[6 + j]);
                }

                for (int place = 0; place < Places; place++)
                {
                    (int i, int j) = Math.DivRem(place, Side);
                    double value = (transform[j, 0] * half[i * 3]) + (transform[j, 1] * half[(i * 3) + 1]) + (transform[j, 2] * half[(i * 3) + 2]);
                    transformed[(((place * shape.InChannels) + c) * shape.OutChannels) + k] = (float)value;
                }
            }
        }

        GemmShape product = Product(shape);
        return new Layer(device, shape, epilogue, this, Tiles(shape, device.Limits).MinBy(tile => tile.Cost(product, device.Limits))!, transformed, bias);
    }

    private static IEnumerable<TiledGemmKernel> Products { get; } = [.. ProductTile.All.Select(tile => new TiledGemmKernel(tile))];

    private IEnumerable<TiledGemmKernel> Tiles(ConvShape shape, DeviceLimits limits)
    {
        GemmShape product = Product(shape);
        return Products.Where(tile => tile.Supports(product, GemmEpilogue.None, limits));
    }

    private (int X, int Y) Patches(ConvShape shape) => (ProductTile.Tiles(shape.OutWidth, size), ProductTile.Tiles(shape.OutHeight, size));

    // Rows of whole fours can be loaded and stored in fours.
    private int PatchStride(ConvShape shape) => ProductTile.Tiles((long)shape.Batch * Patches(shape).X * Patches(shape).Y, 4) * 4;

    private GemmShape Product(ConvShape shape) =>
        new(shape.OutChannels, PatchStride(shape), shape.InChannels, TransposeA: true, Count: Places, CountA: Places, CountB: Places);

    private long Workspace(ConvShape shape) => (long)Places * PatchStride(shape) * (shape.InChannels + shape.OutChannels);

    private sealed class Layer : DeviceConvLayer
    {
        private readonly ConvShape _shape;
        private readonly Epilogue _epilogue;
        private readonly WinogradConvKernel _kernel;
        private readonly TiledGemmKernel _product;
        private readonly DeviceBuffer _weights;
        private readonly DeviceBuffer _bias;

        public Layer(ComputeDevice device, ConvShape shape, Epilogue epilogue, WinogradConvKernel kernel, TiledGemmKernel product, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
        {
            (Device, _shape, _epilogue, _kernel, _product) = (device, shape, epilogue, kernel, product);
            _weights = Upload(weights);
            _bias = Upload(bias);
        }

        public override long WorkspaceValues => _kernel.Workspace(_shape);

        protected override ComputeDevice Device { get; }

        public override DeviceLaunch Bind(DeviceView<float> input, DeviceView<float> residual, DeviceView<float> output, DeviceView<float> workspace)
        {
            ConvGeometry geometry = Geometry(_shape, _epilogue, _shape.OutChannels);
            (int x, int y) = _kernel.Patches(_shape);
            int stride = _kernel.PatchStride(_shape), patches = _shape.Batch * x * y;
            int transformed = _kernel.Places * stride * _shape.InChannels;
            var v = new DeviceView<float>(workspace.Buffer, workspace.Offset, transformed);
            var products = new DeviceView<float>(workspace.Buffer, workspace.Offset + transformed, _kernel.Places * stride * _shape.OutChannels);
            DeviceView<float> added = _epilogue.HasResidual ? residual : output;
            bool inQuads = _kernel.Side == 6 && _shape.OutWidth % 4 == 0 && (added.Offset | output.Offset) % 4 == 0;
            DeviceKernel back = Winograd_Output.Bind(
                Device, products, _bias.View<float>(), added, output, geometry, x, y, stride, _kernel.Side - 2, _epilogue.HasResidual ? 1 : 0, inQuads ? 1 : 0);
            var last = new DeviceLaunch(back, LaunchShape.Linear(patches, Threads) with { GroupsY = _shape.OutChannels });
            var views = new GemmViews(_weights.View<float>(), v, default, default, products);
            DeviceLaunch product = _product.Bind(Device, _kernel.Product(_shape), GemmEpilogue.None, views, default) with { Next = last };
            DeviceKernel forward = Winograd_Input.Bind(Device, input, v, geometry, x, y, stride, _kernel.Side - 2);
            return new DeviceLaunch(forward, LaunchShape.Linear(patches, Threads) with { GroupsY = _shape.InChannels }, product);
        }
    }
}
