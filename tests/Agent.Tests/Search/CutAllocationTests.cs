using CoInference.Agent.Search;

namespace CoInference.Agent.Tests.Search;

public class CutAllocationTests
{
    [Theory]
    [InlineData(1, 150)]
    [InlineData(3, 20)]
    [InlineData(30, 150)]
    [InlineData(30, 1)]
    public void All_episodes_are_spent_and_half_of_them_on_the_best_cut(int cuts, int episodes)
    {
        var allocation = new CutAllocation(cuts, episodes);
        var log = new List<(int Cut, double Reward)>();
        while (allocation.Next(log, _ => false) is { } cut) log.Add((cut, -cut));
        Assert.Equal(episodes, log.Count);
        Assert.InRange(allocation.Probes, 1, Math.Max(1, episodes / 5));
        Assert.Equal(Enumerable.Range(0, allocation.Probes), log.Take(allocation.Probes).Select(entry => entry.Cut));
        if (episodes > 10) Assert.True(log.Count(entry => entry.Cut == 0) >= 0.45 * episodes);
        Assert.True(log.Skip(allocation.Probes).All(entry => entry.Cut < 4));
    }

    [Fact]
    public void A_cut_that_turns_out_better_gets_the_last_half()
    {
        var allocation = new CutAllocation(4, 100);
        var log = new List<(int Cut, double Reward)>();
        while (allocation.Next(log, _ => false) is { } cut) log.Add((cut, cut == 2 && log.Count > 10 ? 1 : 0.5 - (0.1 * cut)));
        Assert.All(log.TakeLast(48), entry => Assert.Equal(2, entry.Cut));
    }

    [Fact]
    public void Exhausted_cuts_pass_their_episodes_on()
    {
        var allocation = new CutAllocation(3, 60);
        var log = new List<(int Cut, double Reward)>();
        while (allocation.Next(log, cut => log.Count(entry => entry.Cut == cut) >= 7) is { } cut) log.Add((cut, -cut));
        Assert.Equal(21, log.Count);
    }
}
