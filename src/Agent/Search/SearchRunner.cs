using System.Diagnostics;
using System.Globalization;
using CoInference.Agent.Baselines;
using CoInference.Agent.Environments;
using CoInference.Kernels.Gpu;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Training;

namespace CoInference.Agent.Search;

/// <summary>
/// A whole search: baselines, screening of the cuts, episodes, the final choice on more images, re-measurement and report.
/// Resumes where an earlier run in the same folder stopped.
/// </summary>
public sealed class SearchRunner : IDisposable
{
    /// <summary>Name of the plan within the output folder.</summary>
    public const string PlanFileName = "plan.json";

    /// <summary>Name of the bundle within the output folder.</summary>
    public const string BundleFolderName = "bundle";

    /// <summary>Name of the report within the output folder.</summary>
    public const string ReportFile = "report.json";

    /// <summary>Name of the latency table within the output folder.</summary>
    public const string LatencyTableFile = "latency-table.json";

    /// <summary>Name of the plan's network before it was trained, in the report of a search that trains it.</summary>
    public const string UntunedName = "plan, not fine-tuned";

    private const int RandomTries = 5;

    private readonly SearchRequest _request;
    private readonly IProgress<SearchProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly SearchJournal _journal;
    private readonly SearchWorkbench _bench;
    private int _storedTimings = -1;

    private SearchRunner(SearchRequest request, IProgress<SearchProgress>? progress, CancellationToken cancellation)
    {
        (_request, _progress, _cancellation) = (request, progress, cancellation);
        if (request.Restart) Discard(request.OutputFolder);
        _journal = SearchJournal.Open(request.OutputFolder, SearchSettings.Of(request));
        Report("preparing");
        _bench = new SearchWorkbench(request, _journal, cancellation);
    }

    /// <summary>Runs, or resumes, a search.</summary>
    /// <param name="request">What to search.</param>
    /// <param name="progress">Told at every stage and after every episode; may be null.</param>
    /// <param name="cancellation">Stops the search; finished episodes are kept, and a further call goes on from them.</param>
    /// <exception cref="InfeasibleBudgetException">No plan meets the budget; nothing was written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ArgumentException">The request is out of range, or model and data do not fit.</exception>
    /// <exception cref="InvalidDataException">The data is broken, or the folder holds another search.</exception>
    /// <exception cref="NotSupportedException">The model uses what this build does not have.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    public static SearchOutcome Run(SearchRequest request, IProgress<SearchProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        request.Validate();
        using var claim = new FolderClaim(request.OutputFolder);
        using var runner = new SearchRunner(request, progress, cancellation);
        return runner.Run();
    }

    /// <inheritdoc/>
    public void Dispose() => _bench.Dispose();

    private SearchOutcome Run()
    {
        Report("baselines");
        List<NamedPlan> plans = [.. BaselinePlans.Unpruned(_bench.Cuts, _bench.Pricer, _bench.JudgeImages)];
        List<BaselineResult> baselines = _journal.Baselines.Count > 0 ? [.. _journal.Baselines] : [.. plans.Select(plan => _bench.Assess(plan, _cancellation))];
        BaselineResult fastest = baselines.Where(baseline => baseline.SetsBudget).MinBy(baseline => baseline.Predicted!.TotalMs)!;
        double budgetMs = _journal.BudgetMs ?? _request.Budget.Milliseconds(fastest.Predicted!.TotalMs);

        Report("screening cuts");
        IReadOnlyList<ICutProblem> problems = _bench.Problems();
        CutCandidate[] candidates = [.. problems.Select(problem => new CutCandidate(problem.Name, problem))];
        IReadOnlyList<ScreenedCut> screened = CutScreening.Screen(candidates, budgetMs);
        IReadOnlyList<int> ranked = CutScreening.Ranked(screened);
        if (ranked.Count == 0) throw Infeasible(screened, fastest, budgetMs);
        (_journal.BudgetMs, _journal.Baselines) = (budgetMs, baselines);
        _journal.ElapsedSeconds = _clock.Elapsed.TotalSeconds;
        StoreTable();
        _journal.Write();

        var loop = new SearchLoop([.. ranked.Select(index => candidates[index])], _request.Reward, budgetMs, _request.Episodes, _request.Seed, _journal, _request.Ddpg);
        var deciders = new List<(string Name, EpisodeRecord Best)>();
        foreach (string name in _request.Compare.Prepend(_request.Decider).Distinct())
            deciders.Add((name, loop.Run(name, new EpisodeProgress(this), _cancellation)));

        Report("judging the final candidates");
        NamedPlan chosen = Choose(problems, budgetMs, out double accuracy, out EpisodeRecord source);
        Report("measuring the plan");
        NamedPlan[] further = [BaselinePlans.Hand([.. problems.OfType<CutProblem>()]), .. DeciderPlans(problems, deciders), RandomPlan(problems.First(problem => problem.Name == source.Cut), budgetMs)];
        foreach (NamedPlan plan in further)
        {
            plans.Add(plan);
            baselines.Add(_bench.Assess(plan, _cancellation) with { Decided = true });
        }

        BaselineResult planResult = _bench.Assess(chosen, _cancellation) with { Decided = true };
        Bundle? tuned = null;
        if (_request.FineTuning is { } training)
        {
            tuned = _bench.FineTune(chosen, training, new TrainingReport(this), _cancellation);
            plans.Add(chosen with { Name = UntunedName });
            baselines.Add(planResult with { Name = UntunedName, Note = "the plan's network after the re-fit alone" });
            planResult = _bench.Assess(chosen, tuned, _cancellation) with { Decided = true };
            accuracy = planResult.Accuracy!.Value;
        }

        Plan final = FinalPlan(chosen, accuracy, budgetMs, source.Probe ? "uniform" : source.Decider) with { Predicted = planResult.Predicted!, PayloadBytes = planResult.PayloadBytes };
        if (_request.TestImages > 0)
        {
            Report("judging on test images");
            planResult = planResult with { TestAccuracy = tuned is null ? _bench.TestAccuracy(chosen, _cancellation) : _bench.TestAccuracy(tuned, _cancellation) };
            for (int i = 0; i < plans.Count; i++) baselines[i] = baselines[i] with { TestAccuracy = _bench.TestAccuracy(plans[i], _cancellation) };
        }

        Report("writing the report");
        Bundle compiled = tuned is null ? _bench.Compile(chosen, final, _cancellation) : Bundle.Create(final, tuned.Device, tuned.Edge, tuned.Codec, _request.Preprocessing);
        Bundle bundle = compiled.Save(Path.Combine(_request.OutputFolder, BundleFolderName));
        PlanFile.Write(Path.Combine(_request.OutputFolder, PlanFileName), final);
        SearchReport report = MakeReport(final, planResult, baselines, screened, deciders, budgetMs);
        report.Write(Path.Combine(_request.OutputFolder, ReportFile));
        StoreTable();
        return new SearchOutcome(final, bundle, report);
    }

    /// <summary>The best episodes of the plan's decider, judged again on all validation images.</summary>
    private NamedPlan Choose(IReadOnlyList<ICutProblem> problems, double budgetMs, out double accuracy, out EpisodeRecord source)
    {
        (NamedPlan Plan, EpisodeRecord Episode, double Accuracy)? best = null;
        IEnumerable<EpisodeRecord> candidates = _journal.Episodes
            .Where(episode => episode.Decider == _request.Decider)
            .DistinctBy(episode => $"{episode.Cut}:{string.Join(',', episode.Levels)}")
            .OrderByDescending(episode => episode.Reward).ThenBy(episode => episode.LatencyMs)
            .Take(_request.FinalCandidates);
        foreach (EpisodeRecord episode in candidates)
        {
            NamedPlan plan = ToNamed(problems, episode, "plan");
            double reached = _bench.ValidationAccuracy(plan, _cancellation);
            if (best is null || RewardOf(reached, episode) > RewardOf(best.Value.Accuracy, best.Value.Episode)) best = (plan, episode, reached);
        }

        (NamedPlan chosen, source, accuracy) = best!.Value;
        return chosen;

        double RewardOf(double reached, EpisodeRecord episode) => _request.Reward.Of(reached, episode.LatencyMs, budgetMs);
    }

    private static NamedPlan ToNamed(IReadOnlyList<ICutProblem> problems, EpisodeRecord episode, string name, string note = "")
    {
        ICutProblem problem = problems.First(candidate => candidate.Name == episode.Cut);
        return NamedPlan.Of(name, problem.Decide([.. episode.Levels]), episode.Predicted, note);
    }

    /// <summary>The best plan of each compared decider; of the uniform probes where uniform is not compared.</summary>
    private IEnumerable<NamedPlan> DeciderPlans(IReadOnlyList<ICutProblem> problems, List<(string Name, EpisodeRecord Best)> deciders)
    {
        if (!deciders.Exists(entry => entry.Name == "uniform"))
        {
            EpisodeRecord? probe = null;
            foreach (EpisodeRecord episode in _journal.Episodes.Where(episode => episode.Probe && episode.Decider == _request.Decider && episode.Beats(probe))) probe = episode;
            yield return ToNamed(problems, probe!, "uniform", "least uniform sparsity within the budget, at the best probed cut");
        }

        foreach ((string name, EpisodeRecord best) in deciders.Where(entry => entry.Name != _request.Decider))
            yield return ToNamed(problems, best, name, string.Create(CultureInfo.InvariantCulture, $"best of {Count(name)} episodes"));
    }

    /// <summary>A few random decisions at the plan's cut, behind the same wall.</summary>
    private NamedPlan RandomPlan(ICutProblem problem, double budgetMs)
    {
        var environment = new SearchEnvironment(problem, _request.Reward, budgetMs);
        var random = new RandomDecider(_request.Seed);
        Episode best = environment.Run(random, _cancellation);
        for (int i = 1; i < RandomTries; i++)
        {
            Episode episode = environment.Run(random, _cancellation);
            if (episode.Reward > best.Reward) best = episode;
        }

        return NamedPlan.Of(
            $"random, best of {RandomTries}", problem.Decide([.. best.Levels]), best.Latency, "random decisions within the budget at the plan's cut");
    }

    private Plan FinalPlan(NamedPlan chosen, double accuracy, double budgetMs, string decider) =>
        _bench.ToPlan(chosen) with
        {
            Predicted = chosen.Predicted!,
            ValidationAccuracy = accuracy,
            BudgetMs = budgetMs,
            Decider = decider,
            LatencyTableHash = _bench.DeviceTable.Hash,
        };

    private static string NameOf(ComputeDevice? device) => device is null ? "cpu" : $"{device.Description.Id}, {device.Description.Name}";

    private SearchReport MakeReport(
        Plan plan, BaselineResult planResult, List<BaselineResult> baselines, IReadOnlyList<ScreenedCut> screened,
        List<(string Name, EpisodeRecord Best)> deciders, double budgetMs)
    {
        double error = (planResult.Measured!.TotalMs / planResult.Predicted!.TotalMs) - 1;
        return new SearchReport
        {
            Model = new ReportedModel(
                _request.ModelName, _request.ModelHash, _bench.Graph.Initializers.Values.Sum(tensor => (long)tensor.Count),
                [.. _bench.Cuts[0].Shape.Dimensions], _bench.Classes),
            Data = new ReportedData(
                _request.Data.Spec, _request.Preprocessing.Name, _bench.Calibration.Count, _bench.JudgeImages.Count, _bench.Validation.Count, _bench.TestCount),
            Host = HostInfo.Capture(),
            Device = NameOf(_request.Device),
            EdgeDevice = NameOf(_request.EdgeDevice),
            Link = _request.Link.ToString(),
            Slowdown = _request.Slowdown,
            Budget = _request.Budget.ToString(),
            BudgetMs = budgetMs,
            Reward = _request.Reward.ToString(),
            Seed = _request.Seed,
            Plan = plan,
            PlanResult = planResult,
            PredictionError = error,
            Baselines = baselines,
            Cuts = screened,
            Deciders = [.. deciders.Select(entry => new DeciderResult(
                entry.Name, Count(entry.Name), entry.Best.Cut, entry.Best.Reward, entry.Best.Accuracy, entry.Best.LatencyMs, entry.Best.Probe))],
            Episodes = _journal.Episodes,
            ParetoFront = ParetoFront.Of(_journal.Episodes),
            Notes = [.. Notes(error)],
            Seconds = Math.Round(_journal.EarlierSeconds + _clock.Elapsed.TotalSeconds, 1),
        };
    }

    private IEnumerable<string> Notes(double error)
    {
        if (_request.Slowdown > 1) yield return string.Create(CultureInfo.InvariantCulture, $"The device is emulated: its times are this host's, multiplied by {_request.Slowdown:0.##}.");
        yield return "Wire times are computed from payload, rate and round trip; all other times are measured.";
        if (Math.Abs(error) > 0.15) yield return string.Create(CultureInfo.InvariantCulture, $"The plan's measured latency differs from the predicted one by {error:+0%;-0%}: the host was noisy, or its latency table is stale.");
        if (_request.Compare.Count == 0) yield return "One decider with one seed: a comparison needs --compare, and a claim at least four seeds.";
        int cached = _journal.Episodes.Count - _journal.Episodes.DistinctBy(episode => $"{episode.Cut}:{string.Join(',', episode.Levels)}").Count();
        if (cached > 0) yield return $"{cached} episodes repeated an earlier decision and took its accuracy.";
    }

    private InfeasibleBudgetException Infeasible(IReadOnlyList<ScreenedCut> screened, BaselineResult fastest, double budgetMs)
    {
        if (screened.Count == 0) return new InfeasibleBudgetException($"Nothing can be pruned or cut in '{_request.ModelName}'.", fastest.Predicted!.TotalMs);
        ScreenedCut best = screened.MinBy(cut => cut.MinimumMs)!;
        string relative = _request.Budget.IsRelative
            ? string.Create(CultureInfo.InvariantCulture, $" ({_request.Budget} of '{fastest.Name}', {fastest.Predicted!.TotalMs:0.##} ms)") : "";
        return new InfeasibleBudgetException(
            string.Create(CultureInfo.InvariantCulture, $"No plan meets the budget of {budgetMs:0.##} ms{relative}: compressed as far as allowed, the fastest takes {best.MinimumMs:0.##} ms, cut at '{best.Cut}'."),
            best.MinimumMs);
    }

    private int Count(string decider) => _journal.Episodes.Count(episode => episode.Decider == decider);

    private void Report(string stage) =>
        _progress?.Report(new SearchProgress(stage, 0, 0, null, null, TimeSpan.FromSeconds(_journal.EarlierSeconds) + _clock.Elapsed, null));

    /// <summary>Keeps the table beside the journal, so that a resumed search prices as this one did.</summary>
    private void StoreTable()
    {
        if (_storedTimings == _bench.DeviceTable.Count) return;
        _bench.DeviceTable.Save(Path.Combine(_request.OutputFolder, LatencyTableFile));
        _storedTimings = _bench.DeviceTable.Count;
    }

    private static void Discard(string folder)
    {
        SearchJournal.Discard(folder);
        string table = Path.Combine(folder, LatencyTableFile);
        if (File.Exists(table)) File.Delete(table);
    }

    private sealed class TrainingReport(SearchRunner runner) : IProgress<TrainerProgress>
    {
        private int _tenths = -1;

        public void Report(TrainerProgress value)
        {
            int tenths = (int)(10 * value.Epoch);
            if (tenths == _tenths) return;
            _tenths = tenths;
            runner.Report(string.Create(
                CultureInfo.InvariantCulture,
                $"fine-tuning: epoch {value.Epoch:F1} of {value.Epochs}, loss {value.Loss:F3}, train {100 * value.TrainAccuracy:F1} %, {value.ImagesPerSecond:F0} images/s, {value.Remaining:h\\:mm\\:ss} left"));
        }
    }

    private sealed class EpisodeProgress(SearchRunner runner) : IProgress<SearchProgress>
    {
        public void Report(SearchProgress value)
        {
            runner.StoreTable();
            runner._progress?.Report(value);
        }
    }
}
