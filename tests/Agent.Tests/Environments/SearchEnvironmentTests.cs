using CoInference.Agent.Baselines;
using CoInference.Agent.Environments;
using FsCheck;
using FsCheck.Fluent;

namespace CoInference.Agent.Tests.Environments;

public class SearchEnvironmentTests
{
    [Fact]
    public void Every_episode_meets_the_budget_whatever_is_proposed()
    {
        Prop.ForAll(
            Gen.Choose(1, 10_000).Zip(Gen.Choose(30, 120)).ToArbitrary(),
            pair =>
            {
                (int seed, int percent) = pair;
                var problem = new AllocationProblem(groups: 1 + (seed % 9), seed);
                double minimum = problem.Price(SearchEnvironment.MaximumLevels(problem)).TotalMs;
                double budget = Math.Max(minimum, problem.DenseMs * percent / 100);
                var environment = new SearchEnvironment(problem, new Reward(RewardKind.Budget), budget);
                var random = new RandomDecider(seed);
                for (int i = 0; i < 5; i++)
                {
                    Episode episode = environment.Run(random, CancellationToken.None);
                    Assert.True(episode.Latency.TotalMs <= budget, $"{episode.Latency.TotalMs} > {budget}");
                    Assert.Equal(problem.Accuracy([.. episode.Levels]), episode.Reward);
                    Assert.All(episode.States, state => Assert.All(state, value => Assert.InRange(value, 0, 1)));
                }
            }).Check(Config.QuickThrowOnFailure.WithMaxTest(60));
    }

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.7)]
    public void Wall_shifts_all_proposals_alike_and_no_further_than_it_must(double proposal)
    {
        // Levels of sparsity are 0.1 apart. From 0.1 it must compress more, from 0.7 less: either way every step alike.
        var problem = new AllocationProblem(groups: 6, seed: 5, codec: false);
        double budget = problem.DenseMs * 0.5;
        Episode episode = new SearchEnvironment(problem, new Reward(RewardKind.Budget), budget).Run(new Constant(proposal), CancellationToken.None);
        Assert.True(episode.Latency.TotalMs <= budget);
        Assert.InRange(episode.Levels.Max() - episode.Levels.Min(), 0, 1);
        int[] relaxed = [.. episode.Levels.Select(_ => episode.Levels.Max() - 1)];
        Assert.True(problem.Price(relaxed).TotalMs > budget, "all steps could have been compressed one level less");
    }

    [Fact]
    public void Realised_actions_are_fed_back_and_proposals_within_the_budget_stand()
    {
        var problem = new AllocationProblem(groups: 4, seed: 6);
        Episode episode = new SearchEnvironment(problem, new Reward(RewardKind.Budget), double.PositiveInfinity).Run(new Constant(0.52), CancellationToken.None);
        for (int step = 0; step < problem.Steps.Count; step++)
        {
            Assert.Equal(problem.Steps[step].Levels.MinBy(level => Math.Abs(level - 0.52)), episode.Actions[step]);
            if (step > 0) Assert.Equal((float)episode.Actions[step - 1], episode.States[step][^1]);
        }
    }

    [Fact]
    public void Impossible_budget_says_what_is_reachable()
    {
        var problem = new AllocationProblem(groups: 4, seed: 7);
        double minimum = problem.Price(SearchEnvironment.MaximumLevels(problem)).TotalMs;
        var failure = Assert.Throws<InfeasibleBudgetException>(() => new SearchEnvironment(problem, new Reward(RewardKind.Budget), minimum * 0.99));
        Assert.Equal(minimum, failure.MinimumMs);
        Assert.Contains("ms", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("budget", 0.9, 20, 10, 0.9)]
    [InlineData("tradeoff", 0.9, 1, 10, -0.6907755)]
    [InlineData("target", 0.9, 5, 10, -1.6)]
    [InlineData("target:0.2", 0.9, 5, 10, 0.8)]
    public void Rewards_follow_their_formulas(string text, double accuracy, double latency, double budget, double expected)
    {
        var reward = Reward.Parse(text);
        Assert.Equal(expected, reward.Of(accuracy, latency, budget), 1e-6);
        Assert.Equal(reward, Reward.Parse(reward.ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("2")]
    [InlineData("target:x")]
    [InlineData("accuracy")]
    public void Unknown_rewards_are_refused(string text) => Assert.Throws<FormatException>(() => Reward.Parse(text));

    private sealed class Constant(double action) : IDecider
    {
        public string Name => "constant";

        public bool Exhausted => false;

        public void BeginEpisode()
        {
        }

        public double Propose(int index, ReadOnlySpan<float> state) => action;

        public void EndEpisode(Episode episode)
        {
        }

        public void Learn(Episode episode)
        {
        }

        public void Save(BinaryWriter writer)
        {
        }

        public void Restore(BinaryReader reader)
        {
        }
    }
}
