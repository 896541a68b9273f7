using System.Globalization;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Simd.Layout;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>
/// Channels of one or more activations in a new order, zeros in between, on a grid of their pixels: Concat, Split and
/// Gather over channels, Slice over channels and pixels, Pad over channels, and chains of them.
/// </summary>
/// <remarks>Input of output channel c is Sources[c] (-1 for zeros), its channel there Channels[c].</remarks>
internal sealed class ChannelGatherOperation(string node, string op, int[] sources, int[] channels, PixelGrid grid) : Operation(node, op)
{
    public int[] Sources { get; set; } = sources;

    public int[] Channels { get; set; } = channels;

    public PixelGrid Grid { get; set; } = grid;

    /// <summary>Whether all pixels are taken.</summary>
    public bool TakesAllPixels => Grid == PixelGrid.All(Grid.InHeight, Grid.InWidth);

    // Where channels come from decides how long the runs are, so the whole map belongs to the key, as a hash.
    public override string Attributes
    {
        get
        {
            uint hash = 2_166_136_261;
            for (int c = 0; c < Sources.Length; c++) hash = (((hash ^ (uint)Sources[c]) * 16_777_619) ^ (uint)Channels[c]) * 16_777_619;
            return string.Create(CultureInfo.InvariantCulture, $"map{hash:x8},{Grid.FirstRow}:{Grid.StepY},{Grid.FirstColumn}:{Grid.StepX}");
        }
    }

    public override IReadOnlyList<StepVariant> Variants(PlanContext context)
    {
        var variants = new List<StepVariant>();
        foreach (ActivationLayout layout in StepCost.Blocked.Append(ActivationLayout.Nchw))
        {
            int pixels = Grid.OutHeight * Grid.OutWidth;
            double time = 0.2;
            int batch = Outputs[0].Image!.Value.Batch;
            foreach (ChannelRun run in ChannelGather.Runs(Sources, Channels, layout.Block))
            {
                double floats = Grid.StepX == 1 && run.Count == layout.Block ? run.Count / 8.0 : 1 + (run.Count / 8.0);
                time += batch * (0.01 + (pixels * floats / 2500.0));
            }

            variants.Add(StepCost.Uniform(this, "simd", layout, time));
        }

        return variants;
    }

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights)
    {
        ActivationLayout layout = variant.Outputs[0];
        ChannelRun[] runs = ChannelGather.Runs(Sources, Channels, layout.Block);
        return new PreparedStep(buffers => new ChannelGatherStep(this, runs, layout, buffers));
    }

    public override StepVariant? OnDevice(PlanContext context) => DeviceStep(context, "gpu.channels");

    public override PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights)
    {
        ComputeDevice device = variant.Device!.Device;
        int batch = Outputs[0].Image!.Value.Batch;
        // One launch per source; the zeros go with the first.
        (int Source, int First, int Count)[] parts = new (int, int, int)[Inputs.Count];
        var pairs = new List<int>();
        for (int source = 0; source < parts.Length; source++)
        {
            int first = pairs.Count;
            for (int channel = 0; channel < Sources.Length; channel++)
            {
                if (Sources[channel] == source) pairs.AddRange([channel, Channels[channel]]);
                else if (Sources[channel] < 0 && source == 0) pairs.AddRange([channel, -1]);
            }

            parts[source] = (source, first, pairs.Count - first);
        }

        DeviceBuffer map = DeviceMemory.Upload<int>(device, pairs.ToArray());
        return new PreparedStep(
            buffers => new LaunchStep([.. parts.Where(part => part.Count > 0).Select(part => DeviceOperators.GatherChannels(
                device, Grid, Inputs[part.Source].Image!.Value.Channels, Sources.Length, batch, buffers.DeviceInputs[part.Source], buffers.DeviceOutputs[0], map.View<int>(part.First, part.Count)))]),
            Weights: map);
    }

    private sealed unsafe class ChannelGatherStep : PartitionedStep
    {
        private readonly ChannelRun[] _runs;
        private readonly PixelGrid _grid;
        private readonly int _block;
        private readonly nint[] _sources;
        private readonly long[] _sourceImages;
        private readonly float* _target;
        private readonly long _targetImage;

        public ChannelGatherStep(ChannelGatherOperation operation, ChannelRun[] runs, ActivationLayout layout, StepBuffers buffers)
            : base(buffers.Workers, operation.Outputs[0].Image!.Value.Batch * runs.Length, 2 * operation.Outputs[0].Bytes(layout))
        {
            _runs = runs;
            _grid = operation.Grid;
            _block = layout.Block;
            _sources = buffers.Inputs;
            _sourceImages = [.. operation.Inputs.Select(input => (long)layout.PaddedChannels(input.Image!.Value.Channels) * input.Image.Value.Pixels)];
            _target = (float*)buffers.Outputs[0];
            _targetImage = (long)layout.PaddedChannels(operation.Sources.Length) * _grid.OutHeight * _grid.OutWidth;
        }

        protected override void RunUnits(int first, int end)
        {
            for (int unit = first; unit < end; unit++)
            {
                (int n, int index) = Math.DivRem(unit, _runs.Length);
                ChannelRun run = _runs[index];
                float* source = run.Source < 0 ? null : (float*)_sources[run.Source] + (n * _sourceImages[run.Source]);
                ChannelGather.Copy(run, _grid, _block, source, _target + (n * _targetImage));
            }
        }
    }
}
