using CoInference.Agent.Environments;

namespace CoInference.Agent.Baselines;

/// <summary>
/// One sparsity for all groups: goes through the settings of bottleneck and bits, each with the least uniform sparsity
/// that meets the budget, and is exhausted after the last.
/// </summary>
/// <remarks>What time that leaves over, the environment's wall gives back to as many steps as it allows.</remarks>
public sealed class UniformDecider : IDecider
{
    private readonly IDecisionProblem _problem;
    private readonly IReadOnlyList<int[]> _grid;
    private int _next;

    /// <summary>Prices the grid.</summary>
    /// <param name="problem">What is decided.</param>
    /// <param name="budgetMs">Budget in milliseconds.</param>
    public UniformDecider(IDecisionProblem problem, double budgetMs)
    {
        _problem = problem;
        _grid = UniformPlans.Grid(problem, budgetMs);
    }

    /// <inheritdoc/>
    public string Name => "uniform";

    /// <inheritdoc/>
    public bool Exhausted => _next >= _grid.Count;

    /// <inheritdoc/>
    public void BeginEpisode()
    {
        if (Exhausted) throw new InvalidOperationException($"All {_grid.Count} uniform settings have been tried.");
    }

    /// <inheritdoc/>
    public double Propose(int index, ReadOnlySpan<float> state) => _problem.Steps[index].Levels[_grid[_next][index]];

    /// <inheritdoc/>
    public void EndEpisode(Episode episode) => _next++;

    /// <summary>Skips the next setting when it is the one that was shown.</summary>
    public void Learn(Episode episode)
    {
        if (!Exhausted && episode.Levels.SequenceEqual(_grid[_next])) _next++;
    }

    /// <inheritdoc/>
    public void Save(BinaryWriter writer) => writer.Write(_next);

    /// <inheritdoc/>
    public void Restore(BinaryReader reader) => _next = reader.ReadInt32();
}
