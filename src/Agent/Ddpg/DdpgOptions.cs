namespace CoInference.Agent.Ddpg;

/// <summary>
/// Constants of the agent. The defaults are those of AMC (He et al., ECCV 2018) as its published program sets them, but for
/// <see cref="DemonstrationShare"/>.
/// </summary>
public sealed record DdpgOptions
{
    /// <summary>Units of the first hidden layer of actor and critic.</summary>
    public int FirstHidden { get; init; } = 300;

    /// <summary>Units of the second hidden layer of actor and critic.</summary>
    public int SecondHidden { get; init; } = 300;

    /// <summary>Adam's learning rate for the actor.</summary>
    public double ActorRate { get; init; } = 1e-4;

    /// <summary>Adam's learning rate for the critic.</summary>
    public double CriticRate { get; init; } = 1e-3;

    /// <summary>τ: how far the target networks move towards the trained ones after each update.</summary>
    public double TargetRate { get; init; } = 0.01;

    /// <summary>γ: weight of the next step's value. 1: the steps of an episode share one final reward, and early ones must not count less.</summary>
    public double Discount { get; init; } = 1;

    /// <summary>Transitions per update.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>Episodes that the replay buffer holds.</summary>
    public int ReplayEpisodes { get; init; } = 100;

    /// <summary>Updates per step of an episode, all made when the episode ends.</summary>
    public int UpdatesPerStep { get; init; } = 1;

    /// <summary>First episodes with uniform random actions and no updates.</summary>
    public int WarmUpEpisodes { get; init; } = 100;

    /// <summary>Deviation of the truncated normal noise in the first episode after the warm-up.</summary>
    public double InitialNoise { get; init; } = 0.5;

    /// <summary>Factor on the deviation per further episode.</summary>
    public double NoiseDecay { get; init; } = 0.95;

    /// <summary>Share of the episodes that a teacher decides, where the agent has one; not in AMC.</summary>
    public double DemonstrationShare { get; init; } = 0.5;

    /// <summary>α of the moving average of batch rewards, which is subtracted from each batch's rewards.</summary>
    public double RewardAverageRate { get; init; } = 0.5;

    /// <summary>Throws when a constant is outside its range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The constant named in the message is outside its range.</exception>
    public void Validate()
    {
        Require(FirstHidden >= 1, nameof(FirstHidden), FirstHidden, "at least 1");
        Require(SecondHidden >= 1, nameof(SecondHidden), SecondHidden, "at least 1");
        Require(ActorRate > 0, nameof(ActorRate), ActorRate, "above 0");
        Require(CriticRate > 0, nameof(CriticRate), CriticRate, "above 0");
        Require(TargetRate is > 0 and <= 1, nameof(TargetRate), TargetRate, "in (0, 1]");
        Require(Discount is >= 0 and <= 1, nameof(Discount), Discount, "in [0, 1]");
        Require(BatchSize >= 1, nameof(BatchSize), BatchSize, "at least 1");
        Require(ReplayEpisodes >= 1, nameof(ReplayEpisodes), ReplayEpisodes, "at least 1");
        Require(UpdatesPerStep >= 0, nameof(UpdatesPerStep), UpdatesPerStep, "at least 0");
        Require(WarmUpEpisodes >= 0, nameof(WarmUpEpisodes), WarmUpEpisodes, "at least 0");
        Require(InitialNoise is >= 0 and <= 1, nameof(InitialNoise), InitialNoise, "in [0, 1]");
        Require(NoiseDecay is > 0 and <= 1, nameof(NoiseDecay), NoiseDecay, "in (0, 1]");
        Require(DemonstrationShare is >= 0 and <= 1, nameof(DemonstrationShare), DemonstrationShare, "in [0, 1]");
        Require(RewardAverageRate is >= 0 and <= 1, nameof(RewardAverageRate), RewardAverageRate, "in [0, 1]");
    }

    private static void Require(bool holds, string name, object value, string range)
    {
        if (!holds) throw new ArgumentOutOfRangeException(name, value, $"{name} must be {range}.");
    }
}
