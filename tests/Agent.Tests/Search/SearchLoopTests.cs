using CoInference.Agent.Ddpg;
using CoInference.Agent.Environments;
using CoInference.Agent.Search;
using CoInference.Agent.Tests.Environments;

namespace CoInference.Agent.Tests.Search;

public sealed class SearchLoopTests : IDisposable
{
    private const double Budget = 3;

    private static readonly Dictionary<string, string> Settings = new() { ["model"] = "toy", ["seed"] = "3" };
    private static readonly DdpgOptions Quick = new() { WarmUpEpisodes = 4, FirstHidden = 32, SecondHidden = 32 };

    private readonly string _folder = Directory.CreateTempSubdirectory("coinference-search").FullName;

    public static TheoryData<string> Names => [.. DeciderFactory.Names];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Every third episode is the last of its process; the outcome must be the uninterrupted one, digit for digit.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void A_search_stopped_again_and_again_ends_like_one_that_never_stopped(string decider)
    {
        SearchJournal whole = SearchJournal.InMemory(Settings);
        EpisodeRecord expected = Loop(whole, 24).Run(decider, null, CancellationToken.None);

        EpisodeRecord? actual = null;
        int runs = 0;
        while (actual is null)
        {
            Assert.True(runs++ < 20, "the search makes no progress");
            SearchJournal journal = SearchJournal.Open(_folder, Settings);
            int before = journal.Episodes.Count;
            using var cancellation = new CancellationTokenSource();
            try
            {
                actual = Loop(journal, 24).Run(decider, new Callback(_ => { if (journal.Episodes.Count == before + 3) cancellation.Cancel(); }), cancellation.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Equal(before + 3, SearchJournal.Open(_folder, Settings).Episodes.Count);
            }
        }

        Assert.Equal(Text(expected), Text(actual));
        Assert.Equal(whole.Episodes.Select(Text), SearchJournal.Open(_folder, Settings).Episodes.Select(Text));
        Assert.True(Directory.GetFiles(_folder).Length <= 1 + 3, "outdated agent states were left behind");
    }

    [Fact]
    public void Every_episode_is_within_the_budget_and_the_best_is_returned()
    {
        SearchJournal journal = SearchJournal.InMemory();
        EpisodeRecord best = Loop(journal, 40).Run("ddpg", null, CancellationToken.None);
        Assert.Equal(40, journal.Episodes.Count);
        Assert.All(journal.Episodes, episode => Assert.True(episode.LatencyMs <= Budget));
        Assert.Equal(journal.Episodes.Max(episode => episode.Reward), best.Reward);
    }

    [Fact]
    public void Another_search_in_the_folder_is_refused_by_what_differs()
    {
        Loop(SearchJournal.Open(_folder, Settings), 3).Run("random", null, CancellationToken.None);
        var failure = Assert.Throws<InvalidDataException>(() => SearchJournal.Open(_folder, new Dictionary<string, string>(Settings) { ["seed"] = "4" }));
        Assert.Contains("seed is '3' there and '4' here", failure.Message, StringComparison.Ordinal);
        SearchJournal.Discard(_folder);
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public void Broken_journals_and_states_are_refused()
    {
        SearchJournal journal = SearchJournal.Open(_folder, Settings);
        using var cancellation = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Loop(journal, 30).Run("ddpg", new Callback(_ => cancellation.Cancel()), cancellation.Token));
        string state = Directory.GetFiles(_folder, "*.state")[0];
        File.WriteAllBytes(state, File.ReadAllBytes(state)[..100]);
        Assert.Contains(state, Assert.Throws<InvalidDataException>(() => RunAgain()).Message, StringComparison.Ordinal);
        File.Delete(state);
        Assert.Contains(Path.GetFileName(state), Assert.Throws<InvalidDataException>(() => RunAgain()).Message, StringComparison.Ordinal);
        string path = Path.Combine(_folder, SearchJournal.FileName);
        File.WriteAllText(path, File.ReadAllText(path)[..200]);
        Assert.Contains(path, Assert.Throws<InvalidDataException>(() => RunAgain()).Message, StringComparison.Ordinal);

        void RunAgain() => Loop(SearchJournal.Open(_folder, Settings), 30).Run("ddpg", null, CancellationToken.None);
    }

    [Fact]
    public void Screening_names_infeasible_and_dominated_cuts()
    {
        CutCandidate[] cuts =
        [
            new("small", new AllocationProblem(3, 1)),
            new("large", new AllocationProblem(40, 2)),
            new("same", new AllocationProblem(3, 1)),
            new("slower", new Slower(new AllocationProblem(3, 1))),
        ];
        IReadOnlyList<ScreenedCut> screened = CutScreening.Screen(cuts, budgetMs: 1.2);
        Assert.Equal([CutStatus.Searched, CutStatus.Infeasible, CutStatus.Searched, CutStatus.Dominated], screened.Select(cut => cut.Status));
        Assert.Contains("budget 1.2 ms", screened[1].Reason, StringComparison.Ordinal);
        Assert.Contains("'small'", screened[3].Reason, StringComparison.Ordinal);
        Assert.Equal([0, 2], CutScreening.Ranked(screened));
    }

    private static SearchLoop Loop(SearchJournal journal, int episodes) =>
        new([.. Enumerable.Range(0, 3).Select(i => new CutCandidate($"cut{i}", new AllocationProblem(4 + i, 90 + i)))], new Reward(RewardKind.Budget), Budget, episodes, 3, journal, Quick);

    /// <summary>An episode without the time it took.</summary>
    private static string Text(EpisodeRecord episode) =>
        $"{episode.Decider} {episode.Probe} {episode.Cut} {string.Join(',', episode.Levels)} {episode.Predicted} {episode.Accuracy:R} {episode.Reward:R}";

    private sealed class Callback(Action<SearchProgress> action) : IProgress<SearchProgress>
    {
        public void Report(SearchProgress value) => action(value);
    }

    private sealed class Slower(IDecisionProblem problem) : IDecisionProblem
    {
        public IReadOnlyList<DecisionStep> Steps => problem.Steps;

        public CoInference.Runtime.Plans.LatencyBreakdown Price(ReadOnlySpan<int> levels) => problem.Price(levels) with { EdgeMs = 0.2 };

        public double PayloadBytes(ReadOnlySpan<int> levels) => problem.PayloadBytes(levels);

        public double Judge(ReadOnlySpan<int> levels, CancellationToken cancellation) => problem.Judge(levels, cancellation);
    }
}
