using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online;

/// <summary>Someone who knows what every target would take for the request at hand: a simulated world.</summary>
public interface IForesight
{
    /// <summary>The best target for the request at hand: answered before not, in time before late, then the least energy; among targets accurate enough.</summary>
    /// <param name="constraints">What the request asks for.</param>
    int Best(in RequestConstraints constraints);
}

/// <summary>Chooses with knowledge of the future. No decider can do better; regret is measured against it.</summary>
public sealed class OracleDecider : IOnlineDecider
{
    private readonly IForesight _foresight;

    /// <summary>Creates a decider.</summary>
    /// <param name="foresight">What it knows the future from.</param>
    public OracleDecider(IForesight foresight) => _foresight = foresight;

    /// <inheritdoc/>
    public string Name => "oracle";

    /// <inheritdoc/>
    public int Choose(in OperatingConditions conditions, in RequestConstraints constraints) => _foresight.Best(constraints);

    /// <inheritdoc/>
    public void Learn(int target, in OperatingConditions conditions, in RequestConstraints constraints, in TargetOutcome outcome)
    {
    }
}
