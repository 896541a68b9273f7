using CoInference.Agent.Online;
using CoInference.Agent.Online.Replay;
using CoInference.Runtime.Targets;

namespace CoInference.Agent.Tests.Online;

public class AutoScaleTests
{
    private static readonly AutoScaleOptions PaperWithoutChance = AutoScaleOptions.Paper with { Epsilon = 0 };

    /// <summary>The three cases of the paper, with alpha = beta = 0.1 and 10 for the scale of energy: accuracy 80 %, energy 40 % of the scale, 20 ms.</summary>
    [Theory]
    [InlineData(0.9, 0.05, -20)]
    [InlineData(0.7, 0.05, -4 + (0.1 * 20) + (0.1 * 80))]
    [InlineData(0.7, 0.01, -4 + (0.1 * 80))]
    public void Reward_has_the_three_cases(double requiredAccuracy, double requiredSeconds, double expected)
    {
        double reward = AutoScaleReward.Of(AutoScaleOptions.Paper, new RequestConstraints(requiredSeconds, requiredAccuracy, false), 0.8, 0.4, 0.02, answered: true);
        Assert.Equal(expected, reward, 12);
    }

    [Fact]
    public void Reward_of_a_request_without_an_answer_is_below_that_of_any_late_one()
    {
        var options = new AutoScaleOptions();
        double lost = AutoScaleReward.Of(options, SmallWorld.Constraints, 0.9, 0.2, 0.5, answered: false);
        double late = AutoScaleReward.Of(options, SmallWorld.Constraints, 0.9, 0.2, 0.5, answered: true);
        Assert.True(lost < late);
        Assert.Equal(options.LatePenalty, AutoScaleReward.Of(options, SmallWorld.Constraints, 0.9, 0.2, 0.01, answered: true) - late, 9);
    }

    [Fact]
    public void Update_is_that_of_Q_learning()
    {
        var decider = new AutoScaleDecider(SmallWorld.Profiles, SmallWorld.Table.Size, options: PaperWithoutChance);
        OperatingConditions calm = SmallWorld.Conditions(), loaded = SmallWorld.Conditions(processor: 0.5);
        double scale = decider.EnergyScale;

        // First request, calm: all values are 0, so the first untried target; its reward waits for the next state.
        Assert.Equal(0, decider.Choose(calm, SmallWorld.Constraints));
        decider.Learn(0, calm, SmallWorld.Constraints, SmallWorld.Outcome(0.01, 0.5 * scale));
        double first = -5 + (0.1 * 10) + (0.1 * 90);
        Assert.Equal(0, decider.Value(calm, SmallWorld.Constraints, 0));

        // Second, loaded: its best value is 0, so Q = 0 + 0.9 (R + 0.1 * 0 - 0).
        Assert.Equal(0, decider.Choose(loaded, SmallWorld.Constraints));
        Assert.Equal(0.9 * first, decider.Value(calm, SmallWorld.Constraints, 0), 9);
        for (int target = 0; target < SmallWorld.Profiles.Count; target++)
        {
            decider.Learn(target, loaded, SmallWorld.Constraints, SmallWorld.Outcome(0.02, (1 + target) * scale));
            decider.Choose(loaded, SmallWorld.Constraints);
        }

        // By now every target was tried once under load; going back to calm settles the last one with calm's best value, which is still 0.
        double best = Enumerable.Range(0, SmallWorld.Profiles.Count).Max(target => decider.Value(loaded, SmallWorld.Constraints, target));
        decider.Learn(0, calm, SmallWorld.Constraints, SmallWorld.Outcome(0.01, 0.25 * scale));
        decider.Choose(loaded, SmallWorld.Constraints);
        double second = -2.5 + (0.1 * 10) + (0.1 * 90), before = 0.9 * first;
        Assert.Equal(before + (0.9 * (second + (0.1 * best) - before)), decider.Value(calm, SmallWorld.Constraints, 0), 9);
    }

    [Fact]
    public void Untried_targets_are_swept_first()
    {
        var decider = new AutoScaleDecider(SmallWorld.Profiles, SmallWorld.Table.Size, options: PaperWithoutChance);
        var chosen = new List<int>();
        for (int i = 0; i < SmallWorld.Profiles.Count; i++)
        {
            chosen.Add(decider.Choose(SmallWorld.Conditions(), SmallWorld.Constraints));
            decider.Learn(chosen[^1], SmallWorld.Conditions(), SmallWorld.Constraints, SmallWorld.Outcome(0.01, decider.EnergyScale));
        }

        Assert.Equal(Enumerable.Range(0, SmallWorld.Profiles.Count), chosen.Order());
    }

    [Fact]
    public void A_target_that_is_not_accurate_enough_is_never_chosen_by_default()
    {
        ReplayedRequest[] requests = SmallWorld.Run(Scenario.Find("mixed"), 3).Run(_ => Decider(3));
        Assert.DoesNotContain(requests, request => SmallWorld.Profiles[request.Target].Target.Accuracy < 0.85);
    }

    [Fact]
    public void In_a_steady_world_decisions_come_close_to_the_oracle()
    {
        ReplayedRequest[] requests = SmallWorld.Run(Scenario.Find("steady"), 1).Run(_ => Decider(1))[100..];
        Assert.InRange(requests.Sum(request => request.Outcome.Joules) / requests.Sum(request => request.BestOutcome.Joules), 0.9, 1.05);
        Assert.InRange(requests.Average(request => request.Right ? 1.0 : 0), 0.95, 1);
    }

    [Fact]
    public void In_a_changing_world_learning_beats_every_fixed_choice()
    {
        Scenario scenario = Scenario.Find("mixed");
        var deciders = new OnlineDeciders(SmallWorld.Table, SmallWorld.Profiles, scenario, SmallWorld.Constraints, null);
        double JoulesPerAnswerInTime(string name)
        {
            Func<IForesight, long, IOnlineDecider> make = deciders.Maker(name);
            ReplayedRequest[] requests = [.. Enumerable.Range(1, 4).SelectMany(seed => SmallWorld.Run(scenario, seed).Run(foresight => make(foresight, seed)))];
            return requests.Sum(request => request.Joules) / requests.Count(request => request.InTime);
        }

        double learned = JoulesPerAnswerInTime("autoscale");
        string[] names = ["device", "edge", "static", .. SmallWorld.Profiles.Where(profile => profile.Target.Accuracy >= SmallWorld.Constraints.Accuracy).Select(profile => "static:" + profile.Target.Name)];
        Assert.All(names, name => Assert.True(learned < JoulesPerAnswerInTime(name), $"{name}: {JoulesPerAnswerInTime(name)} J, autoscale {learned} J"));
    }

    [Fact]
    public void Equal_seeds_decide_equally()
    {
        int[] first = Targets(SmallWorld.Run(Scenario.Find("mixed"), 5).Run(_ => Decider(7)));
        Assert.Equal(first, Targets(SmallWorld.Run(Scenario.Find("mixed"), 5).Run(_ => Decider(7))));
        Assert.NotEqual(first, Targets(SmallWorld.Run(Scenario.Find("mixed"), 6).Run(_ => Decider(7))));

        static int[] Targets(ReplayedRequest[] requests) => [.. requests.Select(request => request.Target)];
    }

    [Fact]
    public void Deciding_and_learning_allocate_nothing()
    {
        AutoScaleDecider decider = Decider(2);
        long allocated = SteadyState.AllocatedBytes(() =>
        {
            for (int i = 0; i < 200; i++)
            {
                OperatingConditions conditions = SmallWorld.Conditions(i % 5 / 5.0, i % 3 / 3.0, -90 + (i % 40));
                int target = decider.Choose(conditions, SmallWorld.Constraints);
                decider.Learn(target, conditions, SmallWorld.Constraints, SmallWorld.Outcome(0.01, 0.03, i % 50 != 0, 0.01, 0.002));
            }
        });
        Assert.Equal(0, allocated);
    }

    [Fact]
    public void A_table_survives_the_file_and_goes_on_as_it_was()
    {
        AutoScaleDecider decider = Learned();
        using var file = new TemporaryFile();
        decider.ToTable().Save(file.Path);
        var copy = new AutoScaleDecider(SmallWorld.Profiles, SmallWorld.Table.Size, options: PaperWithoutChance);
        copy.Restore(QTable.Load(file.Path), transfer: false);
        foreach (double load in (double[])[0, 0.1, 0.5, 1])
        {
            OperatingConditions conditions = SmallWorld.Conditions(load);
            for (int target = 0; target < SmallWorld.Profiles.Count; target++)
                Assert.Equal(decider.Value(conditions, SmallWorld.Constraints, target), copy.Value(conditions, SmallWorld.Constraints, target));
        }
    }

    [Fact]
    public void A_transferred_table_starts_with_the_other_devices_choice_and_matches_targets_by_name()
    {
        AutoScaleDecider decider = Learned();
        int best = Enumerable.Range(0, SmallWorld.Profiles.Count).MaxBy(target => decider.Value(SmallWorld.Conditions(), SmallWorld.Constraints, target));
        IReadOnlyList<TargetProfile> reversed = [.. SmallWorld.Profiles.Reverse()];
        var other = new AutoScaleDecider(reversed, SmallWorld.Table.Size, options: PaperWithoutChance);
        other.Restore(decider.ToTable(), transfer: true);
        Assert.Equal(SmallWorld.Profiles[best].Target.Name, reversed[other.Choose(SmallWorld.Conditions(), SmallWorld.Constraints)].Target.Name);
        Assert.All(other.ToTable().Rows, row => Assert.All(row.Visits, visits => Assert.InRange(visits, 0, 1)));
    }

    [Theory]
    [InlineData("\"targets\": [", "\"targets\": [ \"edge.raw\",", "targets")]
    [InlineData("coinference.q-table/1", "coinference.q-table/9", "coinference.q-table/9")]
    [InlineData("\"state\": ", "\"state\": -", "rows")]
    [InlineData("\"accuracy\": 0.85", "\"accuracy\": 7", "constraints")]
    public void A_bad_table_is_refused_with_the_field(string good, string bad, string named)
    {
        using var file = new TemporaryFile();
        Learned(loads: [0.5]).ToTable().Save(file.Path);
        string text = File.ReadAllText(file.Path);
        Assert.Contains(good, text);
        File.WriteAllText(file.Path, text.Replace(good, bad));
        Assert.Contains(named, Assert.Throws<InvalidDataException>(() => QTable.Load(file.Path)).Message);
    }

    [Fact]
    public void A_table_of_other_states_or_another_kind_of_network_is_refused()
    {
        QTable table = Learned().ToTable();
        var other = new StateSpace([new StateFeature(StateSpace.Signal, [-70])]);
        Assert.Throws<InvalidDataException>(() => new AutoScaleDecider(SmallWorld.Profiles, SmallWorld.Table.Size, other).Restore(table, transfer: true));
        Assert.Throws<InvalidDataException>(() => new AutoScaleDecider(SmallWorld.Profiles, new NetworkSize(100, 1, 0, 4e7)).Restore(table, transfer: true));
    }

    private static AutoScaleDecider Decider(long seed) => new(SmallWorld.Profiles, SmallWorld.Table.Size, options: new AutoScaleOptions { Seed = seed });

    private static AutoScaleDecider Learned(double[]? loads = null)
    {
        var decider = new AutoScaleDecider(SmallWorld.Profiles, SmallWorld.Table.Size, options: PaperWithoutChance);
        foreach (double load in loads ?? [0, 0.1, 0.5, 1])
        {
            for (int i = 0; i < 20; i++)
            {
                OperatingConditions conditions = SmallWorld.Conditions(load);
                int target = decider.Choose(conditions, SmallWorld.Constraints);
                decider.Learn(target, conditions, SmallWorld.Constraints, SmallWorld.Outcome(0.01, (0.1 + (0.07 * ((target + 3) % 5))) * decider.EnergyScale));
            }
        }

        return decider;
    }

    private sealed class TemporaryFile : IDisposable
    {
        public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), System.IO.Path.GetRandomFileName());

        public void Dispose() => File.Delete(Path);
    }
}
