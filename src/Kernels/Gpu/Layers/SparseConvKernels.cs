using CoInference.Kernels.Gpu.Programs;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>Visits blocks of one tap times 16 output channels that are not all zero (<see cref="SparseConvolution.Block"/>).</summary>
internal sealed class BlockConvKernel : DeviceConvKernel
{
    private const int Channels = 16;

    public override string Name => "conv.block";

    public override WeightForm Form => WeightForm.Block;

    public override bool Supports(ConvShape shape, DeviceLimits limits) => shape.Groups == 1 && shape.Batch <= 65_535;

    public override double Cost(ConvShape shape, double density, DeviceLimits limits) =>
        2.2 * density * shape.MultiplyAdds * ((shape.OutChannels + Channels - 1) / Channels * Channels) / shape.OutChannels;

    public override DeviceConvLayer Prepare(ComputeDevice device, ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        int taps = TapCount(shape);
        var blocks = new List<float>();
        var places = new List<int>();
        var starts = new List<int>();
        Span<float> block = stackalloc float[Channels];
        for (int first = 0; first < shape.OutChannels; first += Channels)
        {
            starts.Add(blocks.Count / Channels);
            for (int tap = 0; tap < taps; tap++)
            {
                block.Clear();
                for (int i = 0; i < Math.Min(Channels, shape.OutChannels - first); i++) block[i] = weights[((first + i) * taps) + tap];
                if (block.IndexOfAnyExcept(0f) < 0) continue;
                blocks.AddRange(block);
                (int offset, int row, int column) = Tap(shape, tap);
                places.AddRange([offset, row, column]);
            }
        }

        starts.Add(blocks.Count / Channels);
        return new SparseConvLayer(device, shape, epilogue, blocks.ToArray(), starts.ToArray(), places.ToArray(), bias, Channels);
    }
}

/// <summary>Visits the weights that are not zero (<see cref="SparseConvolution.Unstructured"/>).</summary>
internal sealed class UnstructuredConvKernel : DeviceConvKernel
{
    public override string Name => "conv.unstructured";

    public override WeightForm Form => WeightForm.Unstructured;

    public override bool Supports(ConvShape shape, DeviceLimits limits) => shape.Groups == 1 && shape.Batch <= 65_535 && shape.OutChannels <= 65_535;

    public override double Cost(ConvShape shape, double density, DeviceLimits limits) => 4.5 * density * shape.MultiplyAdds;

    public override DeviceConvLayer Prepare(ComputeDevice device, ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        int taps = TapCount(shape);
        var values = new List<float>();
        var places = new List<int>();
        var starts = new List<int>();
        for (int channel = 0; channel < shape.OutChannels; channel++)
        {
            starts.Add(values.Count);
            for (int tap = 0; tap < taps; tap++)
            {
                float value = weights[(channel * taps) + tap];
                if (value == 0) continue;
                values.Add(value);
                (int offset, int row, int column) = Tap(shape, tap);
                places.AddRange([offset, row, column]);
            }
        }

        starts.Add(values.Count);
        return new SparseConvLayer(device, shape, epilogue, values.ToArray(), starts.ToArray(), places.ToArray(), bias, channels: 1);
    }
}

/// <summary>A sparse layer on a device.</summary>
internal sealed class SparseConvLayer(
    ComputeDevice device, ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<int> starts, ReadOnlySpan<int> taps, ReadOnlySpan<float> bias, int channels)
    : DeviceConvLayer
{
    private const int Threads = 64;
    private readonly DeviceBuffer _weights = DeviceMemory.Upload(device, weights);
    private readonly DeviceBuffer _starts = DeviceMemory.Upload(device, starts);
    private readonly DeviceBuffer _taps = DeviceMemory.Upload(device, taps);
    private readonly DeviceBuffer _bias = DeviceMemory.Upload(device, bias);

    public override DeviceLaunch Bind(DeviceView<float> input, DeviceView<float> residual, DeviceView<float> output)
    {
        ConvGeometry geometry = DeviceConvKernel.Geometry(shape, epilogue, shape.OutChannels);
        DeviceView<float> added = epilogue.HasResidual ? residual : output;
        int hasResidual = epilogue.HasResidual ? 1 : 0;
        DeviceKernel kernel = channels == 1
            ? SparseConvolution_Unstructured.Bind(device, input, _weights.View<float>(), _starts.View<int>(), _taps.View<int>(), _bias.View<float>(), added, output, geometry, hasResidual)
            : SparseConvolution_Block.Bind(device, input, _weights.View<float>(), _starts.View<int>(), _taps.View<int>(), _bias.View<float>(), added, output, geometry, hasResidual);
        return new DeviceLaunch(kernel, LaunchShape.Linear((long)shape.OutHeight * shape.OutWidth, Threads) with
        {
            GroupsY = (shape.OutChannels + channels - 1) / channels,
            GroupsZ = shape.Batch,
        });
    }

    protected override void Dispose(bool disposing)
    {
        _weights.Dispose();
        _starts.Dispose();
        _taps.Dispose();
        _bias.Dispose();
    }
}
