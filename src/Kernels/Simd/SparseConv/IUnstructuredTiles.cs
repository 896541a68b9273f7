using CoInference.Kernels.Simd.Conv;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>One way to run the tiles of an unstructured layer: prepared for its weights and the two tile sizes that its pixels are cut into.</summary>
/// <typeparam name="TSelf">The implementing class.</typeparam>
internal unsafe interface IUnstructuredTiles<TSelf>
    where TSelf : class, IUnstructuredTiles<TSelf>
{
    /// <summary>What stands for these tiles in a kernel's name.</summary>
    static abstract string Name { get; }

    /// <summary>Whether this CPU and this system run them.</summary>
    static abstract bool IsSupported { get; }

    /// <summary>What a tile costs.</summary>
    static abstract UnstructuredTileCost Cost { get; }

    /// <summary>Bytes of weights that a run reads.</summary>
    long WeightBytes { get; }

    /// <summary>Prepares the tiles of a layer.</summary>
    static abstract TSelf Create(UnstructuredWeights weights, TilePlan.Split split);

    /// <summary>Adds a chunk of input channels to a tile.</summary>
    /// <param name="tile">The tile; its weights and bias are set here, and its pointers may be moved.</param>
    /// <param name="isBig">Whether the tile has the larger of the two sizes.</param>
    /// <param name="chunk">Chunk of input channels.</param>
    /// <param name="firstChannel">First output channel.</param>
    void Run(UnstructuredTile* tile, bool isBig, int chunk, int firstChannel);
}

/// <summary>Modelled cycles of the unstructured tiles.</summary>
/// <param name="CyclesPerVector">Of a weight for each vector of a tile: a multiply-add that loads its input.</param>
/// <param name="CyclesPerWeight">Of a weight for the whole tile: its load and what surrounds it.</param>
/// <param name="LeastCyclesPerWeight">Of a weight in tiles of one or two vectors, bound by the latency of their sums.</param>
/// <param name="CodeBytesPerVector">Of a weight for each vector of a tile, where the weight is part of the code.</param>
internal readonly record struct UnstructuredTileCost(double CyclesPerVector, double CyclesPerWeight, double LeastCyclesPerWeight, double CodeBytesPerVector = 0)
{
    // Code that the second-level cache does not hold beside the layer's data comes from further away for every tile.
    private const double CachedCodeBytes = 384 * 1024;
    private const double CyclesPerCodeByte = 1.0 / 12;

    /// <summary>Cycles of all <paramref name="weights"/> of a layer for its tiles.</summary>
    public double Cycles(double weights, TilePlan.Split tiles)
    {
        double codeBytes = weights * CodeBytesPerVector * (tiles.Size + 1);
        double fetched = Math.Max(0, codeBytes - CachedCodeBytes) * CyclesPerCodeByte;
        return (tiles.Big * ((weights * WeightCycles(tiles.Size)) + fetched)) + (tiles.Small * ((weights * WeightCycles(tiles.Size - 1)) + fetched));
    }

    private double WeightCycles(int vectors) => Math.Max(LeastCyclesPerWeight, (vectors * CyclesPerVector) + CyclesPerWeight);
}
