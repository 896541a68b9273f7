using CoInference.Kernels.Simd.Conv;

namespace CoInference.Kernels.Simd.SparseConv;

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
