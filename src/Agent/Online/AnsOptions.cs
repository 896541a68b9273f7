namespace CoInference.Agent.Online;

/// <summary>What ANS makes small.</summary>
public enum AnsObjective
{
    /// <summary>The latency, as published.</summary>
    Latency,

    /// <summary>The energy among targets that should be in time.</summary>
    Energy,
}

/// <summary>How ANS learns. <see cref="Paper"/> has what Zhang, Chen and Xu (WWW 2021) publish; the defaults differ where that works better.</summary>
public sealed record AnsOptions
{
    /// <summary>What is made small.</summary>
    public AnsObjective Objective { get; init; }

    /// <summary>Weight of a key frame: the higher, the less it explores. Paper: 0.8.</summary>
    public double KeyWeight { get; init; } = 0.8;

    /// <summary>Weight of other frames. Paper: 0.2.</summary>
    public double OtherWeight { get; init; } = 0.2;

    /// <summary>Bound on the norm of the coefficients. Paper: 1.</summary>
    public double CoefficientNorm { get; init; } = 1;

    /// <summary>Noise of a delay. Paper: 0.05.</summary>
    public double Noise { get; init; } = 0.05;

    /// <summary>Probability that the confidence bound fails. Paper: 0.1.</summary>
    public double FailureProbability { get; init; } = 0.1;

    /// <summary>Factor on the width of the confidence bound. Paper: 1, which is meant for delays that are not scaled.</summary>
    public double Confidence { get; init; } = 0.01;

    /// <summary>Frames of the first horizon, which doubles whenever it is passed. Paper: 200.</summary>
    public int FirstHorizon { get; init; } = 200;

    /// <summary>Every horizon^exponent frames the edge is asked at least once. Paper: 0.25.</summary>
    public double ForcedExponent { get; init; } = 0.25;

    /// <summary>Whether the interval of forced frames doubles, up to <see cref="MaxForcedInterval"/>, as long as they are worse than what they were forced in place of. Paper: no.</summary>
    public bool ForcedBackoff { get; init; } = true;

    /// <summary>Longest interval of forced frames, or of probes.</summary>
    public int MaxForcedInterval { get; init; } = 16;

    /// <summary>Whether the edge is probed in the pauses between frames, so that no frame is forced. Paper: no.</summary>
    public bool Probes { get; init; } = true;

    /// <summary>Weight of an observation after the next one. Paper: 1, nothing is forgotten.</summary>
    public double Discount { get; init; } = 0.99;

    /// <summary>Weight of the prior, that the edge and the link take no time. Paper: 1 to 8, on contexts that are not scaled.</summary>
    public double Ridge { get; init; } = 0.1;

    /// <summary>Whether a delay far from what was expected is left out as an accident, and a second one in a row makes its part start over from what it knows, scaled. Paper: no.</summary>
    public bool ResetOnChange { get; init; } = true;

    /// <summary>Whether link and edge have regressions of their own, fed with their own times; else one takes the sum. Paper: no.</summary>
    public bool SeparateParts { get; init; } = true;

    /// <summary>Whether the device's times follow its load; else, as in the paper, they are the profile's.</summary>
    public bool TrackDevice { get; init; } = true;

    /// <summary>Latency counts as in time when it is below the limit by this share; for <see cref="AnsObjective.Energy"/>.</summary>
    public double LatencyMargin { get; init; } = 0.05;

    /// <summary>As published, but with scaled contexts: without them the regression is too badly conditioned to be of use.</summary>
    public static AnsOptions Paper { get; } = new()
    {
        Confidence = 1,
        ForcedBackoff = false,
        Probes = false,
        Discount = 1,
        Ridge = 1,
        ResetOnChange = false,
        SeparateParts = false,
        TrackDevice = false,
    };

    /// <summary>The paper's factor on the confidence width for a horizon.</summary>
    internal double Alpha(double horizon, int inputs) =>
        Confidence * (CoefficientNorm + (Noise * Math.Sqrt(inputs * Math.Log((1 + horizon) / FailureProbability)))) / (1 - KeyWeight);

    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    internal void Validate()
    {
        if (!(KeyWeight is >= 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(KeyWeight), KeyWeight, "Expected 0 to below 1.");
        if (!(OtherWeight is >= 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(OtherWeight), OtherWeight, "Expected 0 to below 1.");
        if (!(FailureProbability is > 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(FailureProbability), FailureProbability, "Expected above 0 and below 1.");
        if (!(Confidence >= 0) || !(Noise >= 0) || !(CoefficientNorm >= 0)) throw new ArgumentOutOfRangeException(nameof(Confidence), Confidence, "Confidence, noise and norm: expected 0 or more.");
        ArgumentOutOfRangeException.ThrowIfLessThan(FirstHorizon, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxForcedInterval, 1);
        if (Objective == AnsObjective.Energy && !SeparateParts) throw new ArgumentOutOfRangeException(nameof(Objective), Objective, "Energy needs the parts of the latency: SeparateParts must be on.");
    }
}
