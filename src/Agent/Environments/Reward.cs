using System.Globalization;

namespace CoInference.Agent.Environments;

/// <summary>What an agent is paid for.</summary>
public enum RewardKind
{
    /// <summary>Accuracy; the wall alone keeps the latency within the budget.</summary>
    Budget,

    /// <summary>−error · ln T, T in microseconds: AMC's accuracy-guaranteed reward with time in the place of operations.</summary>
    Tradeoff,

    /// <summary>Accuracy − β · |T / T* − 1| with the budget as T*: Galen's reward.</summary>
    Target,
}

/// <summary>The reward of a finished episode.</summary>
/// <param name="Kind">Formula.</param>
/// <param name="TargetWeight">β of <see cref="RewardKind.Target"/>.</param>
public sealed record Reward(RewardKind Kind, double TargetWeight = Reward.DefaultTargetWeight)
{
    /// <summary>β as Galen (Krieger et al., 2022) sets it.</summary>
    public const double DefaultTargetWeight = 5;

    /// <summary>The reward of an accuracy reached in a time.</summary>
    /// <param name="accuracy">0 to 1.</param>
    /// <param name="latencyMs">End-to-end latency in milliseconds, at least a microsecond is assumed.</param>
    /// <param name="budgetMs">Budget in milliseconds.</param>
    public double Of(double accuracy, double latencyMs, double budgetMs) => Kind switch
    {
        RewardKind.Budget => accuracy,
        RewardKind.Tradeoff => -(1 - accuracy) * Math.Log(Math.Max(1, latencyMs * 1000)),
        RewardKind.Target => accuracy - (TargetWeight * Math.Abs((latencyMs / budgetMs) - 1)),
        _ => throw new InvalidOperationException($"Reward {Kind} has no formula."),
    };

    /// <summary>Reads <c>budget</c>, <c>tradeoff</c>, <c>target</c> or <c>target:β</c>.</summary>
    /// <exception cref="FormatException">The text is none of these.</exception>
    public static Reward Parse(string text)
    {
        string[] parts = text.Split(':');
        if (parts.Length == 2 && parts[0].Equals("target", StringComparison.OrdinalIgnoreCase)
            && double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double weight) && weight >= 0 && double.IsFinite(weight))
            return new Reward(RewardKind.Target, weight);
        return parts.Length == 1 && Enum.TryParse(text, ignoreCase: true, out RewardKind kind) && !char.IsAsciiDigit(text[0])
            ? new Reward(kind)
            : throw new FormatException($"Reward '{text}' is not one of budget, tradeoff, target, target:BETA.");
    }

    /// <summary>The form that <see cref="Parse"/> reads.</summary>
    public override string ToString() => Kind == RewardKind.Target
        ? string.Create(CultureInfo.InvariantCulture, $"target:{TargetWeight}")
        : Kind.ToString().ToLowerInvariant();
}
