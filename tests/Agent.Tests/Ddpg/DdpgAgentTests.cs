using CoInference.Agent.Ddpg;
using CoInference.Agent.Networks;

namespace CoInference.Agent.Tests.Ddpg;

public class DdpgAgentTests
{
    private static readonly DdpgOptions Small = new() { FirstHidden = 64, SecondHidden = 64, ActorRate = 1e-3, CriticRate = 3e-3 };

    /// <summary>One step, reward −(a − f(s))²: the policy must become f. The untrained policy is off by about 0.25 on average.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Learns_the_best_action_for_each_state(long seed)
    {
        var random = new RandomSource(seed);
        var agent = new DdpgAgent(2, 10, Small, random);
        for (int step = 0; step < 1500; step++)
        {
            float[] state = [(float)random.NextUniform(), (float)random.NextUniform()];
            double action = step < 200 ? random.NextUniform() : random.NextTruncatedNormal(agent.Act(state), 0.2);
            agent.Observe(state, action, -Math.Pow(action - Best(state), 2), state, terminal: true);
            if (step >= 200) agent.Update();
        }

        double error = 0;
        for (int i = 0; i < 200; i++)
        {
            float[] state = [(float)random.NextUniform(), (float)random.NextUniform()];
            error += Math.Abs(agent.Act(state) - Best(state)) / 200;
        }

        Assert.True(error < 0.08, $"mean error {error}");

        static double Best(float[] state) => 0.1 + (0.8 * Math.Abs(state[0] - state[1]));
    }

    /// <summary>
    /// Two steps with γ = 1 and the reward only at the end: the value of the first step must come from the second
    /// through the target networks. The first action pays off only two states later.
    /// </summary>
    [Fact]
    public void Carries_a_final_reward_back_to_the_first_step()
    {
        var random = new RandomSource(3);
        var agent = new DdpgAgent(2, 2, Small with { TargetRate = 0.05, RewardAverageRate = 0 }, random);
        for (int episode = 0; episode < 800; episode++)
        {
            double Choose(float[] state) => episode < 150 ? random.NextUniform() : random.NextTruncatedNormal(agent.Act(state), 0.2);
            float[] first = [0, 0];
            double a = Choose(first);
            float[] second = [1, (float)a];
            double b = Choose(second);
            agent.Observe(first, a, 0, second, terminal: false);
            agent.Observe(second, b, -Math.Pow(a - 0.8, 2) - Math.Pow(b - 0.3, 2), second, terminal: true);
            if (episode >= 150) agent.Update();
        }

        Assert.InRange(agent.Act([0, 0]), 0.65, 0.95);
        Assert.InRange(agent.Act([1, 0.8f]), 0.15, 0.45);
    }

    [Fact]
    public void Untrained_policy_lies_near_the_initial_action()
    {
        var agent = new DdpgAgent(14, 5, new DdpgOptions(), new RandomSource(1), initialAction: 0.8);
        Assert.InRange(agent.Act(new float[14]), 0.7, 0.9);
    }

    [Fact]
    public void Constants_outside_their_range_are_named()
    {
        var failure = Assert.Throws<ArgumentOutOfRangeException>(() => new DdpgAgent(3, 3, new DdpgOptions { TargetRate = 2 }, new RandomSource(1)));
        Assert.Equal(nameof(DdpgOptions.TargetRate), failure.ParamName);
    }
}
