using CoInference.Kernels.Devices;
using CoInference.Kernels.Simd.Conv;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Training;

/// <summary>Runs a <see cref="TapSweep"/> that sums over input channels, on the micro-kernels of the direct convolutions.</summary>
internal sealed unsafe class DenseSweep<TSimd, TVector, TLanes>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TLanes : IConstant
{
    private readonly TapSweep _sweep;
    private readonly int _inputs, _outputs, _rowTaps;
    private readonly AlignedBuffer _weights, _offsets;
    private readonly Group[] _groups;

    /// <summary>Plans the tiles.</summary>
    /// <param name="sweep">Taps and steps.</param>
    /// <param name="inputs">Channels summed over.</param>
    /// <param name="outputs">Channels written.</param>
    /// <param name="kernelWidth">Taps per kernel row; 3 neighbouring ones may share their broadcasts.</param>
    public DenseSweep(TapSweep sweep, int inputs, int outputs, int kernelWidth)
    {
        (_sweep, _inputs, _outputs) = (sweep, inputs, outputs);
        int lanes = TLanes.Value, taps = sweep.Taps.Length;
        bool unit = sweep.InputPitch == lanes && sweep.OutputPitch == lanes;
        bool neighbours = unit && kernelWidth == 3 && taps > 0 && taps % 3 == 0
            && Enumerable.Range(0, taps).All(tap => sweep.Offsets[tap] - sweep.Offsets[tap / 3 * 3] == tap % 3 * lanes);
        int blocks = (outputs + lanes - 1) / lanes;
        var cost = new TilePlan.Cost((VectorWidth)lanes, (double)inputs * taps, 0, neighbours);
        TilePlan.Split split = TilePlan.Balance(blocks, cost.ChooseBlocks(sweep.Columns, blocks));
        bool rowTiles = neighbours && split.Size == 1;
        _rowTaps = rowTiles ? 3 : 1;
        nint[] offsets = rowTiles ? [.. sweep.Offsets.Where((_, tap) => tap % 3 == 0)] : sweep.Offsets;
        _offsets = new AlignedBuffer((long)Math.Max(1, offsets.Length) * sizeof(nint));
        offsets.CopyTo(new Span<nint>(_offsets.Pointer, offsets.Length));
        _groups = new Group[split.Big + split.Small];
        int block = 0;
        for (int group = 0; group < _groups.Length; group++)
        {
            int size = group < split.Big ? split.Size : split.Size - 1;
            _groups[group] = new Group(block, size, Tiles(sweep, size, rowTiles));
            block += size;
        }

        _weights = new AlignedBuffer((long)Math.Max(1, blocks * lanes * inputs * taps) * sizeof(float));
    }

    /// <summary>Packs weights given as a function of output channel, input channel and tap of the kernel.</summary>
    public void Pack(ReadOnlySpan<float> weights, int outputStride, int inputStride)
    {
        int lanes = TLanes.Value;
        float* target = (float*)_weights.Pointer;
        ReadOnlySpan<int> taps = _sweep.Taps;
        foreach (Group group in _groups)
        {
            for (int firstInput = 0; firstInput < _inputs; firstInput += lanes)
            {
                int endInput = Math.Min(_inputs, firstInput + lanes);
                for (int tapRow = 0; tapRow < taps.Length; tapRow += _rowTaps)
                {
                    for (int input = firstInput; input < endInput; input++)
                    {
                        for (int tap = tapRow; tap < tapRow + _rowTaps; tap++)
                        {
                            int firstOutput = group.Block * lanes, count = Math.Min(group.Blocks * lanes, _outputs - firstOutput);
                            int source = (firstOutput * outputStride) + (input * inputStride) + taps[tap];
                            for (int lane = 0; lane < count; lane++, source += outputStride) target[lane] = weights[source];
                            target += group.Blocks * lanes;
                        }
                    }
                }
            }
        }
    }

    /// <summary>Computes the output of some images.</summary>
    /// <param name="input">Source.</param>
    /// <param name="output">Target.</param>
    /// <param name="first">First image.</param>
    /// <param name="end">After the last image.</param>
    /// <param name="bounds">Bias, lower and upper bound of every output channel, each a run of <paramref name="boundStride"/> floats.</param>
    /// <param name="boundStride">Floats between the three.</param>
    /// <param name="accumulate">Whether to add to the target.</param>
    public void Run(BorderedMap input, BorderedMap output, int first, int end, float* bounds, int boundStride, bool accumulate)
    {
        nint lanes = TLanes.Value, weightOffset = 0;
        foreach (Group group in _groups)
        {
            var tile = new ConvTile
            {
                InputBlockStride = input.PlaneStride,
                TapOffsets = (nint*)_offsets.Pointer,
                Taps = _sweep.Taps.Length / _rowTaps,
                Channels = _inputs,
                Weights = (float*)_weights.Pointer + weightOffset,
                Bias = bounds + (group.Block * lanes),
                Minimum = bounds + boundStride + (group.Block * lanes),
                Maximum = bounds + (2 * boundStride) + (group.Block * lanes),
                OutputBlockStride = output.PlaneStride,
                OutputPitch = _sweep.OutputPitch,
            };
            tile.NextWeights = tile.Weights;
            for (int image = first; image < end; image++)
            {
                float* from = input.Plane(image), to = output.Plane(image, group.Block) + _sweep.OutputStart;
                if (group.Runs.Length == 1 && group.Runs[0].Count == 1)
                {
                    // A row is one tile: one call does all rows.
                    (tile.InputStep, tile.OutputStep, tile.Tiles) = (_sweep.InputRowStep, _sweep.OutputRowStep, _sweep.Rows);
                    tile.Input = from;
                    tile.Output = to;
                    tile.Addend = accumulate ? to : null;
                    group.Runs[0].Kernel(&tile);
                    continue;
                }

                for (int row = 0; row < _sweep.Rows; row++, from += _sweep.InputRowStep, to += _sweep.OutputRowStep)
                {
                    foreach (TileRun run in group.Runs)
                    {
                        (tile.InputStep, tile.OutputStep, tile.Tiles) = (run.Pixels * _sweep.InputPitch, run.Pixels * _sweep.OutputPitch, run.Count);
                        tile.Input = from + (run.First * _sweep.InputPitch);
                        tile.Output = to + (run.First * _sweep.OutputPitch);
                        tile.Addend = accumulate ? tile.Output : null;
                        run.Kernel(&tile);
                    }
                }
            }

            weightOffset += (nint)group.Blocks * lanes * _inputs * _sweep.Taps.Length;
        }

        // The micro-kernels hold bare pointers.
        GC.KeepAlive(input);
        GC.KeepAlive(output);
        GC.KeepAlive(this);
    }

    private static TileRun[] Tiles(TapSweep sweep, int blocks, bool rowTiles)
    {
        int lanes = TLanes.Value;
        bool unit = sweep.InputPitch == lanes, twice = sweep.InputPitch == 2 * lanes;
        int largest = unit || twice ? TilePlan.MaxPixels((VectorWidth)lanes, blocks) : 1;
        TilePlan.Split split = TilePlan.Balance(sweep.Columns, largest);
        var runs = new List<TileRun> { Tile(0, split.Size, split.Big) };
        if (split.Small > 0) runs.Add(Tile(split.Size * split.Big, split.Size - 1, split.Small));
        return [.. runs];

        TileRun Tile(int first, int pixels, int count) => new(first, pixels, count,
            rowTiles ? DirectRowTiles<TSimd, TVector, TLanes>.Get(pixels)
            : twice ? DirectTiles<TSimd, TVector, TLanes, Twice<TLanes>, N0>.Get(blocks, pixels)
            : DirectTiles<TSimd, TVector, TLanes, TLanes, N0>.Get(blocks, pixels));
    }

    private readonly record struct Group(int Block, int Blocks, TileRun[] Runs);

    private readonly struct TileRun(int first, int pixels, int count, delegate*<ConvTile*, void> kernel)
    {
        public readonly int First = first, Pixels = pixels, Count = count;
        public readonly delegate*<ConvTile*, void> Kernel = kernel;
    }
}
