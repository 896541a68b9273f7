using CoInference.Agent.Networks;
using CoInference.Agent.Online;
using CoInference.Runtime.Targets;

namespace CoInference.Agent.Tests.Online;

public class StateSpaceTests
{
    [Fact]
    public void The_papers_space_has_3072_states()
    {
        Assert.Equal(8, StateSpace.Paper.Features.Count);
        Assert.Equal(3072, StateSpace.Paper.Features.Aggregate(1, (count, feature) => count * feature.Bins));
        Assert.Equal(64, StateSpace.Paper.Count);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0.1, 1)]
    [InlineData(0.25, 2)]
    [InlineData(0.74, 2)]
    [InlineData(0.75, 3)]
    [InlineData(1, 3)]
    [InlineData(double.NaN, 0)]
    public void Loads_fall_into_the_documented_bins(double load, int bin) =>
        Assert.Equal(bin, StateSpace.Paper.Features.First(feature => feature.Name == StateSpace.ProcessorLoad).Bin(load));

    [Fact]
    public void States_are_a_numbering_without_gaps()
    {
        var seen = new HashSet<int>();
        foreach (double processor in (double[])[0, 0.1, 0.5, 0.9])
        {
            foreach (double memory in (double[])[0, 0.1, 0.5, 0.9])
            {
                foreach (double signal in (double[])[-90, -60]) seen.Add(StateSpace.Paper.State(SmallWorld.Conditions(processor, memory, signal)));
            }
        }

        // The direct link is never there: half of the numbers stay unused.
        Assert.Equal(32, seen.Count);
        Assert.All(seen, state => Assert.InRange(state, 0, StateSpace.Paper.Count - 1));
    }

    [Fact]
    public void Network_bins_are_those_of_the_paper() =>
        Assert.Equal([2, 0, 1, 2], StateSpace.Paper.NetworkBins(new NetworkSize(53, 1, 12, 5e9)));

    [Fact]
    public void Clusters_of_recorded_loads_get_a_bin_each()
    {
        var random = new RandomSource(1);
        double[] centres = [0.05, 0.4, 0.9];
        OperatingConditions[] recorded = [.. Enumerable.Range(0, 600).Select(i => SmallWorld.Conditions(processor: centres[i % 3] + (0.01 * random.NextNormal())))];
        StateSpace derived = StateSpace.Derive(recorded);
        StateFeature load = derived.Features.First(feature => feature.Name == StateSpace.ProcessorLoad);
        Assert.Equal(2, load.Edges.Count);
        Assert.InRange(load.Edges[0], 0.15, 0.3);
        Assert.InRange(load.Edges[1], 0.55, 0.75);

        // Nothing to tell apart in the memory load: the paper's bins stay.
        Assert.Equal([0.01, 0.25, 0.75], derived.Features.First(feature => feature.Name == StateSpace.MemoryLoad).Edges);
    }

    /// <summary>The definition, by brute force: cores have enough neighbours; cores within the radius share a cluster; others join a core in reach.</summary>
    [Fact]
    public void Clusters_are_those_of_the_definition()
    {
        for (int seed = 0; seed < 200; seed++)
        {
            var random = new RandomSource(seed);
            double[] values = [.. Enumerable.Range(0, 1 + random.NextIndex(60)).Select(_ => Math.Round(10 * random.NextUniform(), 1))];
            double radius = 0.05 + random.NextUniform();
            int least = 1 + random.NextIndex(5);
            int[] labels = DensityClustering.Label(values, radius, least);
            bool[] core = [.. values.Select(value => values.Count(other => Math.Abs(other - value) <= radius) >= least)];
            for (int i = 0; i < values.Length; i++)
            {
                bool reached = Enumerable.Range(0, values.Length).Any(other => core[other] && Math.Abs(values[other] - values[i]) <= radius);
                Assert.Equal(reached, labels[i] != DensityClustering.Noise);
                for (int j = 0; j < values.Length; j++)
                {
                    if (core[i] && core[j] && Math.Abs(values[i] - values[j]) <= radius) Assert.Equal(labels[i], labels[j]);
                    if (core[i] && core[j] && labels[i] != labels[j]) Assert.False(Connected(values, core, i, j, radius));
                }
            }
        }
    }

    [Fact]
    public void Values_that_are_not_numbers_belong_to_no_cluster() =>
        Assert.Equal([0, DensityClustering.Noise, 0], DensityClustering.Label([1, double.NaN, 1], 0.1, 2));

    [Fact]
    public void Bad_features_are_refused()
    {
        Assert.Throws<ArgumentException>(() => new StateSpace([new StateFeature("weather", [1])]));
        Assert.Throws<ArgumentException>(() => new StateSpace([new StateFeature(StateSpace.Signal, [-60, -70])]));
        Assert.Throws<ArgumentException>(() => new StateSpace([new StateFeature(StateSpace.Signal, [-60]), new StateFeature(StateSpace.Signal, [-70])]));
    }

    private static bool Connected(double[] values, bool[] core, int from, int to, double radius)
    {
        var reached = new HashSet<int> { from };
        var open = new Queue<int>([from]);
        while (open.TryDequeue(out int here))
        {
            for (int next = 0; next < values.Length; next++)
            {
                if (core[next] && Math.Abs(values[next] - values[here]) <= radius && reached.Add(next)) open.Enqueue(next);
            }
        }

        return reached.Contains(to);
    }
}
