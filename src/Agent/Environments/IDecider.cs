namespace CoInference.Agent.Environments;

/// <summary>Something that proposes an action at each step of an episode and may learn from how it ended.</summary>
/// <remarks>Deterministic: equal seeds and equal episodes give equal proposals. Not thread-safe.</remarks>
public interface IDecider
{
    /// <summary>Name in reports, e.g. <c>ddpg</c>.</summary>
    string Name { get; }

    /// <summary>Whether the decider has tried all that it would ever try.</summary>
    bool Exhausted { get; }

    /// <summary>Starts an episode.</summary>
    void BeginEpisode();

    /// <summary>Proposes an action in [0, 1], 0 compressing nothing.</summary>
    /// <param name="index">Index of the step.</param>
    /// <param name="state">State before the step, as <see cref="SearchEnvironment"/> describes it.</param>
    double Propose(int index, ReadOnlySpan<float> state);

    /// <summary>Tells how the episode ended. Not called for an episode that was cancelled.</summary>
    void EndEpisode(Episode episode);

    /// <summary>Shows an episode that someone else decided, from which the decider may learn; between its own episodes.</summary>
    void Learn(Episode episode);

    /// <summary>Writes everything that later proposals depend on. Called between episodes.</summary>
    void Save(BinaryWriter writer);

    /// <summary>Continues from what <see cref="Save"/> wrote in a decider made the same way.</summary>
    /// <exception cref="InvalidDataException">What is stored belongs to another decider.</exception>
    void Restore(BinaryReader reader);
}
