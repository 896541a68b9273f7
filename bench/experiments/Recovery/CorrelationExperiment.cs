using System.Globalization;
using System.Text;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Sparsity;

namespace CoInference.Bench.Recovery;

/// <summary>
/// Random channel plans, judged as a search judges them and fine-tuned. The plans are meant to be hard to rank: all remove a
/// good part of the network, none much more than another, and they differ above all in where.
/// </summary>
internal static class CorrelationExperiment
{
    /// <summary>A part of the training images, so that a dozen trainings are affordable.</summary>
    public const int TrainingImages = 20_000;

    private const int Seed = 1;
    private const double LeastMean = 0.25, MostMean = 0.45, MostSparsity = 0.85;

    public static string Run(Laboratory laboratory, int epochs, int plans)
    {
        var random = new Random(Seed);
        IReadOnlyList<PrunableGroup> groups = laboratory.Pruner.Groups(WeightForm.Dense);
        var table = new StringBuilder();
        table.AppendLine("| plan | mean sparsity | by magnitude, test % | judged: re-fitted, validation % | re-fitted, test % | fine-tuned, test % |");
        table.AppendLine("|---:|---:|---:|---:|---:|---:|");
        var cases = new List<RecoveryCase>();
        for (int plan = 0; plan < plans; plan++)
        {
            double mean = LeastMean + ((MostMean - LeastMean) * random.NextDouble());
            List<GroupDecision> decisions = [.. groups.Select(group => group.Decide(Math.Min(MostSparsity, 2 * mean * random.NextDouble()), channelMultiple: 1))];
            RecoveryCase result = laboratory.Recover($"plan{plan + 1:D2}", decisions, epochs);
            cases.Add(result);
            table.AppendLine(CultureInfo.InvariantCulture,
                $"| {plan + 1} | {result.Sparsity:F2} | {100 * result.MagnitudeTest:F2} | {100 * result.JudgedValidation:F2} | {100 * result.RefitTest:F2} | {100 * result.FineTunedTest:F2} |");
        }

        double[] tuned = [.. cases.Select(result => result.FineTunedTest)];
        table.AppendLine();
        table.AppendLine(CultureInfo.InvariantCulture,
            $"Spearman's rank correlation with the fine-tuned accuracy over {plans} plans, {epochs} epochs of {laboratory.TrainingImages} images each: judged {Spearman([.. cases.Select(result => result.JudgedValidation)], tuned):F3}, pruned by magnitude without a re-fit {Spearman([.. cases.Select(result => result.MagnitudeTest)], tuned):F3}.");
        return table.ToString();
    }

    private static double Spearman(double[] x, double[] y)
    {
        double[] a = Ranks(x), b = Ranks(y);
        double mean = (x.Length + 1) / 2.0, covariance = 0, varianceA = 0, varianceB = 0;
        for (int i = 0; i < a.Length; i++)
        {
            covariance += (a[i] - mean) * (b[i] - mean);
            varianceA += (a[i] - mean) * (a[i] - mean);
            varianceB += (b[i] - mean) * (b[i] - mean);
        }

        return covariance / Math.Sqrt(varianceA * varianceB);
    }

    /// <summary>Ranks from 1; equal values share the mean of theirs.</summary>
    private static double[] Ranks(double[] values) =>
        [.. values.Select(value => values.Count(other => other < value) + ((values.Count(other => other == value) + 1) / 2.0))];
}
