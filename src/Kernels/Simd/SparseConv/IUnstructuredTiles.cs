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
