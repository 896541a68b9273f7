using System.Globalization;
using CoInference.Kernels.Gpu.Programs;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>
/// Visits the blocks of one tap times some output channels of a group that are not all zero: 16 channels for the form <c>block</c>
/// (<see cref="SparseConvolution.Block"/>), one for <c>unstructured</c> (<see cref="SparseConvolution.Unstructured"/>).
/// </summary>
/// <remarks>
/// A thread of the form <c>block</c> holds 16 sums per pixel: 64 for four pixels, which with 16 weights is what 100 registers hold.
/// </remarks>
/// <param name="form">The form.</param>
/// <param name="perThread">Pixels of a thread.</param>
internal sealed class SparseConvKernel(WeightForm form, int perThread) : DeviceConvKernel
{
    private const int Threads = 64;
    private const int BlockChannels = 16;

    private int PerThread => perThread;

    private int Channels => form == WeightForm.Block ? BlockChannels : 1;

    public override string Name => string.Create(CultureInfo.InvariantCulture, $"conv.{(form == WeightForm.Block ? "block" : "unstructured")}.{perThread}");

    public override WeightForm Form => form;

    public override bool Supports(ConvShape shape, DeviceLimits limits) => Rows(shape) <= MostGroupsAlongZ;

    public override double Cost(ConvShape shape, double density, DeviceLimits limits)
    {
        double products = density * shape.MultiplyAdds * Rows(shape) * Channels / shape.OutChannels;
        // Loads that a product costs: a weight serves the pixels of a thread, an input value the channels of a block, a tap both.
        double loads = (form == WeightForm.Block ? 0.25 / perThread : 1.0 / perThread) + (1.0 / Channels) + (2.0 / (Channels * perThread));
        long pixels = (long)shape.Batch * shape.OutHeight * shape.OutWidth;
        long groups = (long)ProductTile.Tiles(pixels, Threads * perThread) * Rows(shape);
        double padding = (double)ProductTile.Tiles(pixels, Threads * perThread) * Threads * perThread / pixels;
        return products * padding * (1 + (4 * loads)) * Math.Max(1, 4.0 * limits.ComputeUnits / groups);
    }

    public override DeviceConvLayer Prepare(ComputeDevice device, ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        int taps = TapCount(shape), outChannels = shape.OutChannels / shape.Groups;
        var blocks = new List<float>();
        var places = new List<int>();
        var starts = new List<int>();
        Span<float> block = stackalloc float[Channels];
        for (int group = 0; group < shape.Groups; group++)
        {
            for (int first = 0; first < outChannels; first += Channels)
            {
                starts.Add(blocks.Count / Channels);
                for (int tap = 0; tap < taps; tap++)
                {
                    block.Clear();
                    for (int i = 0; i < Math.Min(Channels, outChannels - first); i++) block[i] = weights[(((group * outChannels) + first + i) * taps) + tap];
                    if (block.IndexOfAnyExcept(0f) < 0) continue;
                    blocks.AddRange(block);
                    (int offset, int place) = Place(shape, tap);
                    places.AddRange([offset, place]);
                }
            }
        }

        starts.Add(blocks.Count / Channels);
        return new Layer(device, shape, epilogue, this, blocks.ToArray(), starts.ToArray(), places.ToArray(), bias);
    }

    private int Rows(ConvShape shape) => shape.Groups * ProductTile.Tiles(shape.OutChannels / shape.Groups, Channels);

    private LaunchShape Launch(ConvShape shape) =>
        LaunchShape.Linear((long)shape.Batch * shape.OutHeight * shape.OutWidth, Threads * perThread) with { GroupsY = Rows(shape), GroupX = Threads };

    private sealed class Layer : DeviceConvLayer
    {
        private readonly ConvShape _shape;
        private readonly Epilogue _epilogue;
        private readonly SparseConvKernel _kernel;
        private readonly DeviceBuffer _weights;
        private readonly DeviceBuffer _starts;
        private readonly DeviceBuffer _taps;
        private readonly DeviceBuffer _bias;

        public Layer(
            ComputeDevice device, ConvShape shape, Epilogue epilogue, SparseConvKernel kernel, ReadOnlySpan<float> weights, ReadOnlySpan<int> starts, ReadOnlySpan<int> taps, ReadOnlySpan<float> bias)
        {
            (Device, _shape, _epilogue, _kernel) = (device, shape, epilogue, kernel);
            _weights = Upload(weights);
            _starts = Upload(starts);
            _taps = Upload(taps);
            _bias = Upload(bias);
        }

        protected override ComputeDevice Device { get; }

        public override DeviceLaunch Bind(DeviceView<float> input, DeviceView<float> residual, DeviceView<float> output, DeviceView<float> workspace)
        {
            ConvGeometry geometry = Geometry(_shape, _epilogue, _shape.OutChannels);
            DeviceView<float> added = _epilogue.HasResidual ? residual : output;
            int hasResidual = _epilogue.HasResidual ? 1 : 0, isWide = IsWide(_shape) ? 1 : 0, perThread = _kernel.PerThread;
            DeviceKernel kernel = _kernel.Form == WeightForm.Block
                ? SparseConvolution_Block.Bind(
                    Device, input, _weights.View<float>(), _starts.View<int>(), _taps.View<int>(), _bias.View<float>(), added, output, geometry, hasResidual, isWide, perThread)
                : SparseConvolution_Unstructured.Bind(
                    Device, input, _weights.View<float>(), _starts.View<int>(), _taps.View<int>(), _bias.View<float>(), added, output, geometry, hasResidual, isWide, perThread);
            return new DeviceLaunch(kernel, _kernel.Launch(_shape));
        }
    }
}
