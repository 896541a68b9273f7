using CoInference.Agent.Environments;
using CoInference.Agent.Networks;

namespace CoInference.Agent.Baselines;

/// <summary>Constants of the cross-entropy method.</summary>
public sealed record CrossEntropyOptions
{
    /// <summary>Episodes per generation.</summary>
    public int Population { get; init; } = 10;

    /// <summary>Best episodes of a generation, to which the distribution is fitted.</summary>
    public int Elites { get; init; } = 3;

    /// <summary>Weight of the fitted distribution against the previous one.</summary>
    public double Smoothing { get; init; } = 0.7;

    /// <summary>Deviation of the first generation.</summary>
    public double InitialDeviation { get; init; } = 0.3;

    /// <summary>Deviation below which no step falls, so that the search does not freeze.</summary>
    public double MinimumDeviation { get; init; } = 0.03;
}

/// <summary>
/// The cross-entropy method (Rubinstein, 1999): actions of a generation are drawn step by step from truncated normals,
/// which are then fitted to the generation's best episodes.
/// </summary>
public sealed class CrossEntropyDecider : IDecider
{
    private readonly CrossEntropyOptions _options;
    private readonly RandomSource _random;
    private readonly double[] _means;
    private readonly double[] _deviations;
    private readonly List<(double Reward, double[] Actions)> _generation = [];

    /// <summary>Creates the decider.</summary>
    /// <param name="initialActions">Mean of each step in the first generation, in [0, 1].</param>
    /// <param name="options">Constants.</param>
    /// <param name="seed">Seed of the draws.</param>
    public CrossEntropyDecider(IReadOnlyList<double> initialActions, CrossEntropyOptions options, long seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Elites, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Population, options.Elites);
        _options = options;
        _random = new RandomSource(seed);
        _means = [.. initialActions];
        _deviations = [.. _means.Select(_ => options.InitialDeviation)];
    }

    /// <inheritdoc/>
    public string Name => "cem";

    /// <inheritdoc/>
    public bool Exhausted => false;

    /// <inheritdoc/>
    public void BeginEpisode()
    {
    }

    /// <inheritdoc/>
    public double Propose(int index, ReadOnlySpan<float> state) => _random.NextTruncatedNormal(_means[index], _deviations[index]);

    /// <inheritdoc/>
    public void EndEpisode(Episode episode)
    {
        _generation.Add((episode.Reward, [.. episode.Actions]));
        if (_generation.Count < _options.Population) return;
        double[][] elites = [.. _generation.OrderByDescending(entry => entry.Reward).Take(_options.Elites).Select(entry => entry.Actions)];
        for (int step = 0; step < _means.Length; step++)
        {
            double mean = elites.Average(actions => actions[step]);
            double deviation = Math.Sqrt(elites.Average(actions => (actions[step] - mean) * (actions[step] - mean)));
            _means[step] += _options.Smoothing * (mean - _means[step]);
            _deviations[step] = Math.Max(_options.MinimumDeviation, _deviations[step] + (_options.Smoothing * (deviation - _deviations[step])));
        }

        _generation.Clear();
    }

    /// <summary>Does nothing: the distribution is fitted to its own draws.</summary>
    public void Learn(Episode episode)
    {
    }

    /// <inheritdoc/>
    public void Save(BinaryWriter writer)
    {
        _random.Save(writer);
        foreach (double value in (ReadOnlySpan<double>)[.. _means, .. _deviations]) writer.Write(value);
        writer.Write(_generation.Count);
        foreach ((double reward, double[] actions) in _generation)
        {
            writer.Write(reward);
            foreach (double action in actions) writer.Write(action);
        }
    }

    /// <inheritdoc/>
    public void Restore(BinaryReader reader)
    {
        _random.Restore(reader);
        for (int step = 0; step < _means.Length; step++) _means[step] = reader.ReadDouble();
        for (int step = 0; step < _means.Length; step++) _deviations[step] = reader.ReadDouble();
        int count = reader.ReadInt32();
        if (count < 0 || count >= _options.Population) throw new InvalidDataException($"Stored generation of {count} episodes does not fit {_options.Population}.");
        _generation.Clear();
        for (int entry = 0; entry < count; entry++)
        {
            double reward = reader.ReadDouble();
            var actions = new double[_means.Length];
            for (int step = 0; step < actions.Length; step++) actions[step] = reader.ReadDouble();
            _generation.Add((reward, actions));
        }
    }
}
