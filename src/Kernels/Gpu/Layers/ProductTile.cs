using System.Globalization;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>A choice of tiles for products on devices.</summary>
/// <param name="M">Rows of a tile: output channels.</param>
/// <param name="N">Columns of a tile: pixels.</param>
/// <param name="K">Steps that are loaded at once.</param>
/// <param name="RegM">Rows of a thread, 4 or 8.</param>
/// <param name="RegN">Columns of a thread, 4 or 8.</param>
internal readonly record struct ProductTile(int M, int N, int K, int RegM, int RegN)
{
    /// <summary>
    /// The choices. The largest, of 8 x 8 results a thread, needs about 128 registers and 16 KiB: two groups of 256 threads fill a
    /// multiprocessor of 64 Ki registers. Tiles of fewer rows or columns lose less to padding and make more groups.
    /// </summary>
    public static IReadOnlyList<ProductTile> All { get; } =
    [
        new(128, 128, K: 8, RegM: 8, RegN: 8),
        new(64, 128, K: 8, RegM: 8, RegN: 8),
        new(128, 64, K: 8, RegM: 8, RegN: 8),
        new(64, 64, K: 16, RegM: 8, RegN: 4),
        new(32, 128, K: 8, RegM: 4, RegN: 8),
        new(32, 64, K: 16, RegM: 4, RegN: 4),
        new(16, 64, K: 16, RegM: 4, RegN: 4),
        new(32, 32, K: 16, RegM: 4, RegN: 4),
    ];

    /// <summary>The choices whose steps are split: few results and many steps, as in 14 x 14 and 7 x 7 images one at a time.</summary>
    public static IReadOnlyList<ProductTile> OfSplits { get; } =
    [
        new(64, 64, K: 16, RegM: 8, RegN: 4),
        new(32, 32, K: 16, RegM: 4, RegN: 4),
    ];

    // Groups that a multiprocessor should have to hide the latency of the barrier between two tiles.
    private const int GroupsPerUnit = 2;

    // A split below this many tiles spends its time on the first load and the last store.
    private const int FewestTilesOfSplit = 4;

    /// <summary>Threads of a group.</summary>
    public int Threads => M / RegM * (N / RegN);

    /// <summary>
    /// What a product costs in units of one fused multiply-add from registers: a thread loads RegM + RegN values, in fours, from
    /// shared memory for RegM RegN products, and shared memory gives a warp one such load in four issue slots.
    /// </summary>
    public double PerProduct => 1 + (4.0 / (4 * RegM)) + (4.0 / (4 * RegN));

    /// <summary>Tiles that cover a count.</summary>
    public static int Tiles(long count, int tile) => checked((int)((count + tile - 1) / tile));

    /// <summary>Into how many shares the steps are cut so that every multiprocessor has work; 1 when it has anyway.</summary>
    /// <param name="groups">Groups without a split.</param>
    /// <param name="steps">Steps of a result.</param>
    /// <param name="limits">The device.</param>
    public int Splits(long groups, int steps, DeviceLimits limits)
    {
        int most = Math.Max(1, Tiles(steps, K) / FewestTilesOfSplit);
        return (int)Math.Clamp(GroupsPerUnit * limits.ComputeUnits / groups, 1, Math.Min(most, 32));
    }

    /// <summary>The guess of <see cref="DeviceConvKernel.Cost"/> for a product: products with padded tiles, in whole rounds of groups over the device.</summary>
    /// <param name="groups">Groups of the launch.</param>
    /// <param name="steps">Steps of a group.</param>
    /// <param name="limits">The device.</param>
    public double Cost(long groups, int steps, DeviceLimits limits)
    {
        double ofGroup = (double)M * N * Tiles(steps, K) * K * PerProduct;
        // A multiprocessor with less than two groups waits at barriers; one with few threads cannot hide the latency of its loads.
        double rounds = Math.Max(Math.Ceiling(groups / (double)limits.ComputeUnits), GroupsPerUnit);
        double latency = Math.Max(1, 256.0 / (Threads * Math.Min(rounds, 8)));
        return ofGroup * rounds * latency * limits.ComputeUnits;
    }

    /// <summary>Bytes of shared memory: two pairs of tiles, one of which is multiplied while the other is written.</summary>
    /// <param name="padding">Values behind each row of a tile.</param>
    public int SharedBytes(int padding) => 2 * sizeof(float) * K * (M + N + (2 * padding));

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{M}x{N}");
}
