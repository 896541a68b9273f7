namespace CoInference.Runtime.Codec;

/// <summary>
/// Static distributions of quantized symbols, one per context. The context of a symbol is its channel and how large the
/// sum of its left and upper neighbours is; contexts with similar statistics share a distribution. At the edge of a plane
/// the neighbour that exists counts twice; the first symbol of a plane has a sum of 0.
/// </summary>
/// <param name="Log">Logarithm of the sum of the frequencies of a distribution.</param>
/// <param name="Thresholds">Ascending sums of neighbours at which a new class begins; classes = thresholds + 1.</param>
/// <param name="Contexts">[channel, class], the distribution of each context.</param>
/// <param name="Frequencies">Distributions: a positive frequency for every symbol, so that every feature can be coded.</param>
internal sealed record EntropyModel(int Log, int[] Thresholds, int[] Contexts, ushort[][] Frequencies)
{
    /// <summary>Most distributions: their decoding tables should stay in the cache.</summary>
    public const int MaxDistributions = 16;

    /// <summary>Largest <see cref="Log"/>.</summary>
    public const int MaxLog = 12;

    /// <summary>Most classes of the neighbours' sum.</summary>
    public const int MaxClasses = 8;

    private const int Rounds = 6;

    /// <summary>Classes of the neighbours' sum.</summary>
    public int ClassCount => Thresholds.Length + 1;

    /// <summary>Fits distributions to calibration symbols.</summary>
    /// <param name="grid">How the symbols of one feature lie.</param>
    /// <param name="bits">Bits per symbol.</param>
    /// <param name="symbols">Symbols of one or more features.</param>
    public static EntropyModel Fit(SymbolGrid grid, int bits, ReadOnlySpan<byte> symbols)
    {
        int levels = 1 << bits;
        int log = bits <= 6 ? MaxLog - 1 : MaxLog;
        int[] thresholds = FitThresholds(grid, levels, symbols);
        byte[] classOf = ClassTable(thresholds, levels);
        int classes = thresholds.Length + 1;
        var counts = new int[grid.Planes * classes][];
        for (int i = 0; i < counts.Length; i++) counts[i] = new int[levels];
        for (int start = 0; start < symbols.Length; start += grid.Count)
        {
            ReadOnlySpan<byte> feature = symbols.Slice(start, grid.Count);
            for (int i = 0; i < feature.Length; i++)
                counts[(i / grid.Width / grid.Height * classes) + classOf[NeighbourSum(grid, feature, i)]][feature[i]]++;
        }

        int[] contexts = Cluster(counts, levels, out int distributions);
        var frequencies = new ushort[distributions][];
        for (int d = 0; d < distributions; d++) frequencies[d] = Normalize(Sum(counts, contexts, d, levels), log);
        return new EntropyModel(log, thresholds, contexts, frequencies);
    }

    /// <summary>The class of every possible sum of two neighbours.</summary>
    public static byte[] ClassTable(int[] thresholds, int levels)
    {
        var table = new byte[(2 * levels) - 1];
        for (int sum = 0; sum < table.Length; sum++) table[sum] = (byte)thresholds.Count(threshold => sum >= threshold);
        return table;
    }

    private static int NeighbourSum(SymbolGrid grid, ReadOnlySpan<byte> feature, int index)
    {
        int left = index % grid.Width == 0 ? -1 : feature[index - 1];
        int up = index / grid.Width % grid.Height == 0 ? -1 : feature[index - grid.Width];
        if (left < 0) return up < 0 ? 0 : 2 * up;
        return left + (up < 0 ? left : up);
    }

    // Thresholds that split the neighbours' sums into about equally frequent classes.
    private static int[] FitThresholds(SymbolGrid grid, int levels, ReadOnlySpan<byte> symbols)
    {
        if (grid.Width == 1 && grid.Height == 1) return [];
        var histogram = new long[(2 * levels) - 1];
        for (int start = 0; start < symbols.Length; start += grid.Count)
        {
            ReadOnlySpan<byte> feature = symbols.Slice(start, grid.Count);
            for (int i = 0; i < feature.Length; i++) histogram[NeighbourSum(grid, feature, i)]++;
        }

        var thresholds = new List<int>();
        long below = 0;
        for (int sum = 1; sum < histogram.Length && thresholds.Count < MaxClasses - 1; sum++)
        {
            below += histogram[sum - 1];
            if (below * MaxClasses >= (long)symbols.Length * (thresholds.Count + 1) && below < symbols.Length) thresholds.Add(sum);
        }

        return [.. thresholds];
    }

    // Lloyd's algorithm with code length as the distance: each context joins the distribution that codes it shortest.
    private static int[] Cluster(int[][] counts, int levels, out int distributions)
    {
        int limit = Math.Min(MaxDistributions, counts.Length);
        int[] order = [.. Enumerable.Range(0, counts.Length).OrderBy(context => Mean(counts[context]))];
        var contexts = new int[counts.Length];
        for (int i = 0; i < order.Length; i++) contexts[order[i]] = (int)((long)i * limit / order.Length);
        var costs = new double[limit][];
        for (int round = 0; round < Rounds; round++)
        {
            for (int d = 0; d < limit; d++)
            {
                long[] sum = Sum(counts, contexts, d, levels);
                double total = sum.Sum() + (0.5 * levels);
                costs[d] = Array.ConvertAll(sum, count => -Math.Log2((count + 0.5) / total));
            }

            for (int context = 0; context < counts.Length; context++)
            {
                double best = double.PositiveInfinity;
                for (int d = 0; d < limit; d++)
                {
                    double cost = 0;
                    for (int symbol = 0; symbol < levels; symbol++) cost += counts[context][symbol] * costs[d][symbol];
                    if (cost >= best) continue;
                    best = cost;
                    contexts[context] = d;
                }
            }
        }

        // Distributions without contexts are dropped.
        int[] used = [.. contexts.Distinct().Order()];
        distributions = used.Length;
        return Array.ConvertAll(contexts, d => Array.IndexOf(used, d));
    }

    private static double Mean(int[] counts)
    {
        double weighted = 0, total = 0;
        for (int symbol = 0; symbol < counts.Length; symbol++)
        {
            weighted += (double)symbol * counts[symbol];
            total += counts[symbol];
        }

        return total == 0 ? 0 : weighted / total;
    }

    private static long[] Sum(int[][] counts, int[] contexts, int distribution, int levels)
    {
        var sum = new long[levels];
        for (int context = 0; context < counts.Length; context++)
        {
            if (contexts[context] != distribution) continue;
            for (int symbol = 0; symbol < levels; symbol++) sum[symbol] += counts[context][symbol];
        }

        return sum;
    }

    // Every symbol gets one unit, the rest is shared by count, and what rounding leaves goes to the most frequent symbol.
    private static ushort[] Normalize(long[] counts, int log)
    {
        int free = (1 << log) - counts.Length;
        long total = Math.Max(1, counts.Sum());
        var frequencies = Array.ConvertAll(counts, count => (ushort)(1 + (count * free / total)));
        frequencies[Array.IndexOf(counts, counts.Max())] += (ushort)((1 << log) - frequencies.Sum(frequency => frequency));
        return frequencies;
    }
}
