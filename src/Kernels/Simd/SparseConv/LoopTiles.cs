using CoInference.Kernels.Devices;
using CoInference.Kernels.Simd.Conv;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>Unstructured tiles by a loop over weights and their offsets: <see cref="UnstructuredTile{TSimd,TVector,TVectors}"/>.</summary>
internal sealed unsafe class LoopTiles<TSimd, TVector> : IUnstructuredTiles<LoopTiles<TSimd, TVector>>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
{
    private readonly UnstructuredWeights _weights;
    private readonly delegate*<UnstructuredTile*, void> _big;
    private readonly delegate*<UnstructuredTile*, void> _small;

    private LoopTiles(UnstructuredWeights weights, TilePlan.Split split)
    {
        _weights = weights;
        _big = Kernel(split.Size);
        _small = split.Small > 0 ? Kernel(split.Size - 1) : null;
    }

    /// <inheritdoc/>
    public static string Name => TSimd.Lanes == 1 ? "scalar" : $"v{TSimd.Lanes * 32}";

    /// <inheritdoc/>
    public static bool IsSupported => CpuFeatures.Supports((VectorWidth)TSimd.Lanes);

    /// <inheritdoc/>
    public static UnstructuredTileCost Cost => new(CyclesPerVector: 0.55, CyclesPerWeight: 0.8, LeastCyclesPerWeight: 1.65);

    /// <inheritdoc/>
    public long WeightBytes => _weights.Bytes;

    /// <inheritdoc/>
    public static LoopTiles<TSimd, TVector> Create(UnstructuredWeights weights, TilePlan.Split split) => new(weights, split);

    /// <inheritdoc/>
    public void Run(UnstructuredTile* tile, bool isBig, int chunk, int firstChannel)
    {
        _weights.Select(tile, chunk, firstChannel);
        if (isBig) _big(tile);
        else _small(tile);
    }

    private static delegate*<UnstructuredTile*, void> Kernel(int vectors) => vectors switch
    {
        1 => &UnstructuredTile<TSimd, TVector, N1>.Run,
        2 => &UnstructuredTile<TSimd, TVector, N2>.Run,
        3 => &UnstructuredTile<TSimd, TVector, N3>.Run,
        4 => &UnstructuredTile<TSimd, TVector, N4>.Run,
        5 => &UnstructuredTile<TSimd, TVector, N5>.Run,
        6 => &UnstructuredTile<TSimd, TVector, N6>.Run,
        7 => &UnstructuredTile<TSimd, TVector, N7>.Run,
        8 => &UnstructuredTile<TSimd, TVector, N8>.Run,
        _ => throw new ArgumentOutOfRangeException(nameof(vectors), vectors, "Expected 1 to 8."),
    };
}
