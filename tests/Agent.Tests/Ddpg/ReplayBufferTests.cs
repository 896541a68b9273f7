using CoInference.Agent.Ddpg;
using CoInference.Agent.Networks;

namespace CoInference.Agent.Tests.Ddpg;

public class ReplayBufferTests
{
    [Fact]
    public void Keeps_the_latest_transitions_whole()
    {
        var buffer = new ReplayBuffer(capacity: 10, stateWidth: 2);
        for (int i = 0; i < 25; i++) buffer.Add([i, -i], i, 10 * i, [i + 1, -i - 1], terminal: i % 5 == 4);
        Assert.Equal(10, buffer.Count);
        float[] states = new float[400], actions = new float[200], rewards = new float[200], next = new float[400], continues = new float[200];
        buffer.Sample(new RandomSource(1), states, actions, rewards, next, continues);
        for (int row = 0; row < 200; row++)
        {
            float i = actions[row];
            Assert.InRange(i, 15, 24);
            Assert.Equal([i, -i, i + 1, -i - 1, 10 * i, i % 5 == 4 ? 0 : 1], [states[2 * row], states[(2 * row) + 1], next[2 * row], next[(2 * row) + 1], rewards[row], continues[row]]);
        }

        Assert.Equal(10, actions.Distinct().Count());
    }

    [Fact]
    public void Empty_buffer_and_wrong_widths_are_refused()
    {
        var buffer = new ReplayBuffer(4, 3);
        Assert.Throws<InvalidOperationException>(() => buffer.Sample(new RandomSource(1), new float[3], new float[1], new float[1], new float[3], new float[1]));
        Assert.Throws<ArgumentException>(() => buffer.Add([1, 2], 0, 0, [1, 2, 3], false));
    }
}
