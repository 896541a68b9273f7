using System.Runtime.CompilerServices;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>
/// Winograd products by the micro-kernel of the 1x1 convolution: patches are its pixels. Weights are [element][output
/// group][input channel][lane] and are read once per strip.
/// </summary>
/// <typeparam name="TSimd">Vector operations.</typeparam>
/// <typeparam name="TVector">Vector type.</typeparam>
/// <typeparam name="TLanes">Lanes of the vector, the channel block of input and output.</typeparam>
internal sealed unsafe class TiledWinogradProduct<TSimd, TVector, TLanes> : WinogradProduct, IWinogradProducts
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TLanes : IConstant
{
    private const int LineFloats = 16;

    /// <summary>Calling a micro-kernel for one element and group of output channels.</summary>
    private const double CallCycles = 20;

    private readonly int _inputs;
    private readonly int _inputBlocks;
    private readonly int _elements;
    private readonly OutputGroup[] _groups;
    private readonly AlignedBuffer _weights;
    private readonly AlignedBuffer _bounds;
    private readonly nint[][] _tiles;

    /// <summary>Plans the products; all weights are zero.</summary>
    /// <param name="inputs">Input channels.</param>
    /// <param name="outputs">Output channels.</param>
    /// <param name="elements">Elements of the transform domain.</param>
    /// <param name="tileBlocks">Output channel blocks of a register tile.</param>
    public TiledWinogradProduct(int inputs, int outputs, int elements, int tileBlocks)
    {
        int outputBlocks = Blocks(outputs);
        _inputs = inputs;
        _inputBlocks = Blocks(_inputs);
        _elements = elements;
        ElementStride = (nint)outputBlocks * TLanes.Value * _inputs;
        _groups = PlanGroups(outputBlocks, tileBlocks);
        _weights = new AlignedBuffer(_elements * (long)ElementStride * sizeof(float));
        _bounds = Unbounded();
        _tiles = new nint[TilePlan.MaxBlocks + 1][];
        for (int blocks = 1; blocks <= TilePlan.MaxBlocks; blocks++)
        {
            _tiles[blocks] = new nint[TilePlan.MaxPixels(Width, blocks) + 1];
            for (int pixels = 1; pixels < _tiles[blocks].Length; pixels++)
                _tiles[blocks][pixels] = (nint)DirectTiles<TSimd, TVector, TLanes, TLanes, TLanes>.Get(blocks, pixels);
        }
    }

    /// <inheritdoc/>
    public static VectorWidth Width => (VectorWidth)TLanes.Value;

    /// <inheritdoc/>
    public static string Suffix => $"v{TLanes.Value * 32}";

    /// <inheritdoc/>
    public static string Tile => $"{TilePlan.MaxPixels(Width, 2)}x{2 * TLanes.Value}";

    /// <inheritdoc/>
    public override long WeightBytes => _weights.Length;

    /// <inheritdoc/>
    public override IReadOnlyList<OutputGroup> Groups => _groups;

    /// <summary>Floats between the weights of neighbouring elements.</summary>
    public nint ElementStride { get; }

    private static int TileFloats => TilePlan.MaxBlocks * TLanes.Value;

    /// <inheritdoc/>
    public static int ChooseBlocks(ConvShape shape, int patches) => Cost(shape).ChooseBlocks(patches, Blocks(shape.OutChannels));

    /// <inheritdoc/>
    public static double Cycles(ConvShape shape, int patches, int tileBlocks)
    {
        int outputBlocks = Blocks(shape.OutChannels);
        int calls = (outputBlocks + tileBlocks - 1) / tileBlocks;
        return Cost(shape).Row(patches, outputBlocks, tileBlocks) + (calls * CallCycles);
    }

    /// <inheritdoc/>
    public static WinogradProduct Create(ConvShape shape, int tileBlocks, ReadOnlySpan<double> points, ReadOnlySpan<float> weights)
    {
        var product = new TiledWinogradProduct<TSimd, TVector, TLanes>(shape.InChannels, shape.OutChannels, (points.Length + 1) * (points.Length + 1), tileBlocks);
        product.PackWeights(shape, points, weights);
        return product;
    }

    /// <summary>Where the weights of element 0 lie that lead from one input channel to one output block; valid while the product is reachable.</summary>
    public float* Weights(int outputBlock, int input)
    {
        foreach (OutputGroup group in _groups)
        {
            if (outputBlock >= group.FirstBlock + group.Blocks) continue;
            return (float*)_weights.Pointer + WeightsOf(group) + ((((nint)input * group.Blocks) + outputBlock - group.FirstBlock) * TLanes.Value);
        }

        throw new ArgumentOutOfRangeException(nameof(outputBlock), outputBlock, "There is no such output block.");
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(float* input, nint inputPlane, float* output, nint outputPlane, int patches, int firstGroup, int endGroup)
    {
        nint noOffset = 0;
        nint blockFloats = (nint)patches * TLanes.Value;
        int firstBlock = _groups[firstGroup].FirstBlock;
        float* zero = (float*)_bounds.Pointer;
        var tile = new ConvTile
        {
            InputBlockStride = blockFloats,
            OutputBlockStride = blockFloats,
            TapOffsets = &noOffset,
            Taps = 1,
            Channels = _inputs,
            Bias = zero,
            Minimum = zero + TileFloats,
            Maximum = zero + (2 * TileFloats),
        };
        for (int element = 0; element < _elements; element++, input += inputPlane, output += outputPlane)
        {
            float* weights = (float*)_weights.Pointer + (element * ElementStride);
            for (int index = firstGroup; index < endGroup; index++)
            {
                OutputGroup group = _groups[index];
                nint[] tiles = _tiles[group.Blocks];
                TilePlan.Split split = TilePlan.Balance(patches, tiles.Length - 1);
                tile.Weights = weights + WeightsOf(group);
                tile.NextWeights = weights + (index + 1 < endGroup ? WeightsOf(_groups[index + 1]) : ElementStride + WeightsOf(_groups[firstGroup]));
                tile.PrefetchLines = PrefetchLines(group.Blocks, split.Big + split.Small);
                tile.Input = input;
                tile.Output = output + ((group.FirstBlock - firstBlock) * blockFloats);
                tile.Tiles = split.Big;
                tile.InputStep = tile.OutputStep = (nint)split.Size * TLanes.Value;
                ((delegate*<ConvTile*, void>)tiles[split.Size])(&tile);
                if (split.Small == 0) continue;
                tile.Input += split.Big * tile.InputStep;
                tile.Output += split.Big * tile.OutputStep;
                tile.Tiles = split.Small;
                tile.InputStep = tile.OutputStep = (nint)(split.Size - 1) * TLanes.Value;
                ((delegate*<ConvTile*, void>)tiles[split.Size - 1])(&tile);
            }
        }

        // The micro-kernels hold bare pointers into the packed weights.
        GC.KeepAlive(this);
    }

    private static int Blocks(int channels) => (channels + TLanes.Value - 1) / TLanes.Value;

    private static TilePlan.Cost Cost(ConvShape shape) => new(Width, Steps: shape.InChannels, StepOverhead: 0, HasRowTiles: false);

    private static OutputGroup[] PlanGroups(int outputBlocks, int tileBlocks)
    {
        TilePlan.Split split = TilePlan.Balance(outputBlocks, tileBlocks);
        var groups = new OutputGroup[split.Big + split.Small];
        int block = 0;
        for (int i = 0; i < groups.Length; i++)
        {
            int blocks = i < split.Big ? split.Size : split.Size - 1;
            groups[i] = new OutputGroup(block, blocks);
            block += blocks;
        }

        return groups;
    }

    /// <summary>The epilogue of an unfinished sum: bias zero, no lower and no upper bound.</summary>
    private static AlignedBuffer Unbounded()
    {
        var bounds = new AlignedBuffer(3L * TileFloats * sizeof(float));
        var values = new Span<float>(bounds.Pointer, 3 * TileFloats);
        values[..TileFloats].Clear();
        values.Slice(TileFloats, TileFloats).Fill(float.NegativeInfinity);
        values[(2 * TileFloats)..].Fill(float.PositiveInfinity);
        return bounds;
    }

    private nint WeightsOf(OutputGroup group) => (nint)group.FirstBlock * TLanes.Value * _inputs;

    private void PackWeights(ConvShape shape, ReadOnlySpan<double> points, ReadOnlySpan<float> weights)
    {
        double[] matrix = WinogradWeights.Matrix(points);
        Span<float> elements = stackalloc float[_elements];
        for (int outChannel = 0; outChannel < shape.OutChannels; outChannel++)
        {
            for (int channel = 0; channel < _inputs; channel++)
            {
                WinogradWeights.Transform(matrix, WinogradWeights.Kernel(shape, weights, outChannel, channel), elements);
                float* to = Weights(outChannel / TLanes.Value, channel) + (outChannel % TLanes.Value);
                for (int element = 0; element < elements.Length; element++) to[element * ElementStride] = elements[element];
            }
        }
    }

    /// <summary>Cache lines per tile and input block that bring in the next group's weights while this one's are used.</summary>
    private int PrefetchLines(int blocks, int tiles)
    {
        int lines = blocks * TLanes.Value * _inputs / LineFloats;
        int turns = tiles * _inputBlocks;
        return (lines + turns - 1) / turns;
    }
}
