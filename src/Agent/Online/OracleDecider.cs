using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online;

/// <summary>Someone who knows what every target would take for the request at hand: a simulated world.</summary>
public interface IForesight
{
    /// <summary>The best target for the request at hand: answered before not, in time before late, then the least energy; among targets accurate enough.</summary>
    /// <param name="constraints">What the request asks for.</param>
    int Best(in RequestConstraints constraints);

    /// <summary>
    /// The best target for all that can be known before the request runs: the least probability of no answer in time, then the least expected
    /// energy, over what chance may do to it; among targets accurate enough. Load, edge and link at the moment are known exactly.
    /// </summary>
    /// <param name="constraints">What the request asks for.</param>
    int BestInExpectation(in RequestConstraints constraints);
}

/// <summary>Chooses with knowledge of the future. No decider can do better; regret is measured against it. The causal oracle knows the present only.</summary>
public sealed class OracleDecider : IOnlineDecider
{
    private readonly IForesight _foresight;
    private readonly bool _knowsChance;

    /// <summary>Creates a decider.</summary>
    /// <param name="foresight">What it knows the world from.</param>
    /// <param name="knowsChance">
    /// Whether it also knows what chance will do to the request; else it is the causal oracle, the best that a decider could be that has nothing to learn any more.
    /// </param>
    public OracleDecider(IForesight foresight, bool knowsChance = true) => (_foresight, _knowsChance) = (foresight, knowsChance);

    /// <inheritdoc/>
    public string Name => _knowsChance ? "oracle" : "causal-oracle";

    /// <inheritdoc/>
    public int Choose(in OperatingConditions conditions, in RequestConstraints constraints) =>
        _knowsChance ? _foresight.Best(constraints) : _foresight.BestInExpectation(constraints);

    /// <inheritdoc/>
    public void Learn(int target, in OperatingConditions conditions, in RequestConstraints constraints, in TargetOutcome outcome)
    {
    }
}
