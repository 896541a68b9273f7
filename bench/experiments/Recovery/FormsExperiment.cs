using System.Globalization;
using System.Text;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;

namespace CoInference.Bench.Recovery;

/// <summary>Each form of sparsity at a ratio that is worth having.</summary>
internal static class FormsExperiment
{
    private const double WantedSpeedup = 2, UnstructuredSparsity = 0.8, BlockSparsity = 0.7;

    public static string Run(Laboratory laboratory, int epochs)
    {
        var table = new StringBuilder();
        table.AppendLine("| form | sparsity | time, dense / pruned | dense % | by magnitude % | same, re-fitted % | re-fit % | share recovered | fine-tuned % | points lost | epochs | seconds |");
        table.AppendLine("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        foreach ((WeightForm form, double sparsity) in new[] { (WeightForm.Dense, HalvingSparsity(laboratory)), (WeightForm.Unstructured, UnstructuredSparsity), (WeightForm.Block, BlockSparsity) })
        {
            PruningGain gain = PruningGain.Measure(laboratory.Graph, form, sparsity);
            RecoveryCase result = laboratory.Recover(gain.Form, Decide(laboratory, form, sparsity), epochs);
            table.AppendLine(CultureInfo.InvariantCulture,
                $"| {gain.Form} | {result.Sparsity:F2} | {gain.Speedup:F2} ({gain.SpeedupLow:F2} .. {gain.SpeedupHigh:F2}) | {100 * result.DenseTest:F2} | {100 * result.MagnitudeTest:F2} | {100 * result.MagnitudeRefitTest:F2} | {100 * result.RefitTest:F2} | {result.Recovered:F2} | {100 * result.FineTunedTest:F2} | {100 * (result.DenseTest - result.FineTunedTest):F2} | {result.Epochs} | {result.Seconds:F0} |");
        }

        return table.ToString();
    }

    /// <summary>The least sparsity, the same for every group, that halves the measured time.</summary>
    private static double HalvingSparsity(Laboratory laboratory)
    {
        const int Steps = 16;
        for (int step = 1; step < Steps; step++)
        {
            double sparsity = (double)step / Steps;
            if (PruningGain.Measure(laboratory.Graph, WeightForm.Dense, sparsity).Speedup >= WantedSpeedup) return sparsity;
        }

        throw new InvalidOperationException("No channel sparsity halves the time of this network.");
    }

    private static List<GroupDecision> Decide(Laboratory laboratory, WeightForm form, double sparsity) =>
        [.. laboratory.Pruner.Groups(form).Select(group => group.Decide(sparsity))];
}
