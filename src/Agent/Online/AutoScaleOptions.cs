namespace CoInference.Agent.Online;

/// <summary>How AutoScale learns. <see cref="Paper"/> has the constants of Kim and Wu (MICRO 2020); the defaults differ where that works better.</summary>
public sealed record AutoScaleOptions
{
    /// <summary>Share of the difference to a reward that a value takes over. Paper: 0.9, which makes every accident of one request a belief.</summary>
    public double LearningRate { get; init; } = 0.2;

    /// <summary>Largest difference to a reward that is learned from at once, in percent of <see cref="AutoScaleDecider.EnergyScale"/>. Paper: no limit.</summary>
    public double LargestError { get; init; } = 10;

    /// <summary>Reward that <see cref="AutoScaleDecider.EnergyScale"/> costs. The paper does not name its unit; 10 keeps energy above the penalty for inaccurate answers.</summary>
    public double EnergyWeight { get; init; } = 100;

    /// <summary>Weight of the next state's best value. Paper: 0.1; states that follow each other have little to do with each other.</summary>
    public double Discount { get; init; } = 0.1;

    /// <summary>Share of requests that explore. Paper: 0.1.</summary>
    public double Epsilon { get; init; } = 0.1;

    /// <summary>Visits of a state after which exploration there has halved; infinity, as in the paper, keeps it up.</summary>
    public double EpsilonHalvingVisits { get; init; } = 10;

    /// <summary>Exploration never falls below this share.</summary>
    public double EpsilonFloor { get; init; } = 0.002;

    /// <summary>Reward per millisecond of latency of an answer in time (the paper's alpha, 0.1: using the slack is good). 0 here: energy alone decides.</summary>
    public double LatencyWeight { get; init; }

    /// <summary>Reward per percent of accuracy (the paper's beta, 0.1). 0 here: a target either is accurate enough or is not.</summary>
    public double AccuracyWeight { get; init; }

    /// <summary>What a late answer loses, in percent of <see cref="AutoScaleDecider.EnergyScale"/>. Paper: 0, it only misses the latency's reward.</summary>
    public double LatePenalty { get; init; } = 300;

    /// <summary>Whether targets below the required accuracy are left out from the start; else, as in the paper, their reward has to teach it.</summary>
    public bool ExcludeInaccurate { get; init; } = true;

    /// <summary>
    /// Share of the difference to a modelled reward that the value of a tried target takes over whenever its state is entered; untried
    /// ones take all of it. 0, as in the paper, does not model.
    /// </summary>
    public double PlanningRate { get; init; } = 0.7;

    /// <summary>Without a model: whether a state's untried targets come first, each once. The paper starts from random values.</summary>
    public bool SweepUntried { get; init; } = true;

    /// <summary>With a model: a target is explored only if it is expected to lose no more than this against the best one, in percent of <see cref="AutoScaleDecider.EnergyScale"/>.</summary>
    public double ExplorationLoss { get; init; } = 10;

    /// <summary>With a model: whether the edge is probed in pauses while it might be worth asking, so that it is known when it becomes so. Paper: no.</summary>
    public bool Probes { get; init; } = true;

    /// <summary>Share of requests to the edge that are taken to get no answer, before and beside own experience; for the model.</summary>
    public double LossPrior { get; init; } = 0.001;

    /// <summary>Seconds after which a request without an answer is given up; for the model, until it has happened.</summary>
    public double LossSeconds { get; init; } = 0.5;

    /// <summary>Different requirements of requests that are told apart; further ones share the last place.</summary>
    public int ConstraintClasses { get; init; } = 4;

    /// <summary>Seed of exploration.</summary>
    public long Seed { get; init; }

    /// <summary>The paper's constants: no decay, no model; untried targets come first.</summary>
    public static AutoScaleOptions Paper { get; } = new()
    {
        LearningRate = 0.9,
        LargestError = double.PositiveInfinity,
        EnergyWeight = 10,
        EpsilonHalvingVisits = double.PositiveInfinity,
        EpsilonFloor = 0,
        LatencyWeight = 0.1,
        AccuracyWeight = 0.1,
        LatePenalty = 0,
        ExcludeInaccurate = false,
        PlanningRate = 0,
    };

    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    internal void Validate()
    {
        foreach ((string name, double value) in (ReadOnlySpan<(string, double)>)[
            (nameof(LearningRate), LearningRate), (nameof(Discount), Discount), (nameof(Epsilon), Epsilon), (nameof(EpsilonFloor), EpsilonFloor), (nameof(PlanningRate), PlanningRate)])
        {
            if (!(value is >= 0 and <= 1)) throw new ArgumentOutOfRangeException(name, value, "Expected 0 to 1.");
        }

        if (!(LargestError > 0) || !(EnergyWeight > 0)) throw new ArgumentOutOfRangeException(nameof(LargestError), LargestError, "Largest error and energy weight: expected positive numbers.");
        if (!(EpsilonHalvingVisits > 0)) throw new ArgumentOutOfRangeException(nameof(EpsilonHalvingVisits), EpsilonHalvingVisits, "Expected a positive number.");
        if (!(ExplorationLoss >= 0)) throw new ArgumentOutOfRangeException(nameof(ExplorationLoss), ExplorationLoss, "Expected 0 or more.");
        if (!(LossPrior is >= 0 and <= 1) || !(LossSeconds >= 0)) throw new ArgumentOutOfRangeException(nameof(LossPrior), LossPrior, "Loss: expected a share from 0 to 1 and seconds of 0 or more.");
        if (ConstraintClasses is < 1 or > 64) throw new ArgumentOutOfRangeException(nameof(ConstraintClasses), ConstraintClasses, "Expected 1 to 64.");
    }
}
