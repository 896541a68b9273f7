using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online;

/// <summary>One quantity of the surroundings that a state tells apart.</summary>
/// <param name="Name">What it is; one of the names in <see cref="StateSpace"/>.</param>
/// <param name="Edges">Rising edges: a value falls into the bin whose number is that of the edges at or below it. NaN falls into <paramref name="UnknownBin"/>.</param>
/// <param name="UnknownBin">Bin of a value that cannot be had.</param>
public sealed record StateFeature(string Name, IReadOnlyList<double> Edges, int UnknownBin = 0)
{
    /// <summary>Number of bins.</summary>
    public int Bins => Edges.Count + 1;

    /// <summary>The bin of a value.</summary>
    public int Bin(double value)
    {
        if (double.IsNaN(value)) return UnknownBin;
        int bin = 0;
        while (bin < Edges.Count && value >= Edges[bin]) bin++;
        return bin;
    }
}

/// <summary>
/// What AutoScale tells apart (Kim and Wu, MICRO 2020, table 1): four features of the network, which are constant while one network runs,
/// and four of the surroundings.
/// </summary>
public sealed class StateSpace
{
    /// <summary>Name of the feature that is the number of convolutions.</summary>
    public const string Convolutions = "convolutions";

    /// <summary>Name of the feature that is the number of fully connected layers.</summary>
    public const string DenseLayers = "denseLayers";

    /// <summary>Name of the feature that is the number of recurrent layers.</summary>
    public const string RecurrentLayers = "recurrentLayers";

    /// <summary>Name of the feature that is the multiply-adds of one inference.</summary>
    public const string MultiplyAdds = "multiplyAdds";

    /// <summary>Name of the feature that is <see cref="OperatingConditions.ProcessorLoad"/>.</summary>
    public const string ProcessorLoad = "processorLoad";

    /// <summary>Name of the feature that is <see cref="OperatingConditions.MemoryLoad"/>.</summary>
    public const string MemoryLoad = "memoryLoad";

    /// <summary>Name of the feature that is <see cref="OperatingConditions.SignalDbm"/> of the link to the edge.</summary>
    public const string Signal = "signal";

    /// <summary>Name of the feature that is the signal of a second, direct link. Nothing here has one, so its value is unknown.</summary>
    public const string DirectSignal = "directSignal";

    /// <summary>Name of the feature that is <see cref="OperatingConditions.BytesPerSecond"/>; not one of the paper's.</summary>
    public const string LinkRate = "linkRate";

    private static readonly string[] NetworkFeatures = [Convolutions, DenseLayers, RecurrentLayers, MultiplyAdds];

    private readonly StateFeature[] _surroundings;
    private readonly Quantity[] _quantities;

    private enum Quantity
    {
        ProcessorLoad,
        MemoryLoad,
        Signal,
        LinkRate,
        Unknown,
    }

    /// <summary>Creates a space.</summary>
    /// <param name="features">Its features; the names are those of this class, each at most once.</param>
    /// <exception cref="ArgumentException">A name is unknown or twice, edges do not rise, or there are over a million states.</exception>
    public StateSpace(IReadOnlyList<StateFeature> features)
    {
        ArgumentNullException.ThrowIfNull(features);
        Features = [.. features];
        double states = 1;
        foreach (StateFeature feature in features)
        {
            bool known = NetworkFeatures.Contains(feature.Name) || feature.Name is ProcessorLoad or MemoryLoad or Signal or DirectSignal or LinkRate;
            if (!known || features.Count(other => other.Name == feature.Name) > 1) throw new ArgumentException($"State feature '{feature.Name}' is unknown or listed twice.", nameof(features));
            if (feature.Edges.Any(double.IsNaN) || feature.Edges.Zip(feature.Edges.Skip(1)).Any(pair => pair.First >= pair.Second) || feature.UnknownBin < 0 || feature.UnknownBin > feature.Edges.Count)
                throw new ArgumentException($"The bins of state feature '{feature.Name}': expected rising edges and an unknown bin among them.", nameof(features));
            states *= feature.Bins;
        }

        if (states > 1e6) throw new ArgumentException($"The features make {states} states, expected at most a million.", nameof(features));
        _surroundings = [.. features.Where(feature => !NetworkFeatures.Contains(feature.Name))];
        _quantities = Array.ConvertAll(_surroundings, feature => feature.Name switch
        {
            ProcessorLoad => Quantity.ProcessorLoad,
            MemoryLoad => Quantity.MemoryLoad,
            Signal => Quantity.Signal,
            LinkRate => Quantity.LinkRate,
            _ => Quantity.Unknown,
        });
        Count = _surroundings.Aggregate(1, (count, feature) => count * feature.Bins);
    }

    /// <summary>The paper's features and bins: 3,072 states, 64 of them for one network.</summary>
    /// <remarks>
    /// Loads have a bin of their own for none at all. The lowest load that counts as one is a hundredth: what a system does for itself is
    /// no co-runner.
    /// </remarks>
    public static StateSpace Paper { get; } = new(
    [
        new(Convolutions, [30, 50, 90]), new(DenseLayers, [10]), new(RecurrentLayers, [10]), new(MultiplyAdds, [1e9, 2e9]),
        new(ProcessorLoad, [0.01, 0.25, 0.75]), new(MemoryLoad, [0.01, 0.25, 0.75]), new(Signal, [-80], UnknownBin: 1), new(DirectSignal, [-80], UnknownBin: 1),
    ]);

    /// <summary>The features.</summary>
    public IReadOnlyList<StateFeature> Features { get; }

    /// <summary>States of the surroundings, for one network.</summary>
    public int Count { get; }

    /// <summary>The paper's features with bins by density clustering of recorded values; a feature whose values form fewer than two clusters keeps its bins.</summary>
    /// <param name="recorded">Conditions as they were met.</param>
    /// <param name="radiusShare">Radius of DBSCAN as a share of the range of the recorded values.</param>
    /// <param name="minShare">Neighbours of a core as a share of the recorded values.</param>
    /// <param name="withLinkRate">Whether the estimated rate of the link becomes a ninth feature, on a logarithmic scale.</param>
    public static StateSpace Derive(IReadOnlyList<OperatingConditions> recorded, double radiusShare = 0.04, double minShare = 0.02, bool withLinkRate = false)
    {
        ArgumentNullException.ThrowIfNull(recorded);
        var features = new List<StateFeature>();
        foreach (StateFeature feature in Paper.Features)
        {
            Func<OperatingConditions, double>? read = feature.Name switch
            {
                ProcessorLoad => conditions => conditions.ProcessorLoad,
                MemoryLoad => conditions => conditions.MemoryLoad,
                Signal => conditions => conditions.SignalDbm,
                _ => null,
            };
            IReadOnlyList<double> edges = read is null ? [] : Edges([.. recorded.Select(read)], radiusShare, minShare);
            features.Add(edges.Count == 0 ? feature : feature with { Edges = edges, UnknownBin = feature.UnknownBin == 0 ? 0 : edges.Count });
        }

        if (withLinkRate)
        {
            IReadOnlyList<double> edges = Edges([.. recorded.Select(conditions => Math.Log(conditions.BytesPerSecond))], radiusShare, minShare);
            if (edges.Count > 0) features.Add(new StateFeature(LinkRate, [.. edges.Select(Math.Exp)], edges.Count));
        }

        return new StateSpace(features);
    }

    /// <summary>The state of the surroundings, from 0 to <see cref="Count"/> - 1.</summary>
    public int State(in OperatingConditions conditions)
    {
        int state = 0;
        for (int i = 0; i < _surroundings.Length; i++)
        {
            double value = _quantities[i] switch
            {
                Quantity.ProcessorLoad => conditions.ProcessorLoad,
                Quantity.MemoryLoad => conditions.MemoryLoad,
                Quantity.Signal => conditions.SignalDbm,
                Quantity.LinkRate => conditions.BytesPerSecond,
                _ => double.NaN,
            };
            state = (state * _surroundings[i].Bins) + _surroundings[i].Bin(value);
        }

        return state;
    }

    /// <summary>The bins of a network, in the order of the features; tables of equal ones may stand in for each other.</summary>
    public IReadOnlyList<int> NetworkBins(NetworkSize network)
    {
        ArgumentNullException.ThrowIfNull(network);
        return [.. Features.Where(feature => NetworkFeatures.Contains(feature.Name)).Select(feature => feature.Bin(feature.Name switch
        {
            Convolutions => network.ConvolutionLayers,
            DenseLayers => network.DenseLayers,
            RecurrentLayers => network.RecurrentLayers,
            _ => network.MultiplyAdds,
        }))];
    }

    private static IReadOnlyList<double> Edges(double[] values, double radiusShare, double minShare)
    {
        double[] known = [.. values.Where(double.IsFinite)];
        if (known.Length == 0) return [];
        double range = known.Max() - known.Min();
        return range > 0 ? DensityClustering.Edges(known, radiusShare * range, Math.Max(1, (int)(minShare * known.Length))) : [];
    }
}
