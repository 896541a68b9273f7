using System.Globalization;
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
