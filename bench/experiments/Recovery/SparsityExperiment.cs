using System.Globalization;
using System.Text;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Profiling;
using CoInference.Runtime.Sparsity;

namespace CoInference.Bench.Recovery;

/// <summary>One pruned network: what it gains in time, and what it loses at each stage of its recovery.</summary>
internal static class SparsityExperiment
{
    /// <summary>A share of all weights, divided among the layers by the error that their loss leaves, or by layer-adaptive magnitude.</summary>
    public static string Run(Laboratory laboratory, WeightForm form, double sparsity, int epochs, bool byMagnitude) =>
        Run(
            laboratory,
            (byMagnitude ? null : laboratory.Pruner.Allocate(form, sparsity)) ?? LayerAdaptiveAllocation.Decide(laboratory.Graph, laboratory.Pruner.Groups(form), sparsity, CpuFeatures.ChannelBlock),
            epochs);

    /// <summary>Given decisions.</summary>
    public static string Run(Laboratory laboratory, IReadOnlyList<GroupDecision> decisions, int epochs)
    {
        PruningGain gain = PruningGain.Measure(laboratory.Graph, laboratory.Pruner, decisions);
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{gain.Form}: {decisions.Count} groups, {gain.Speedup:F2} times as fast ({gain.SpeedupLow:F2} .. {gain.SpeedupHigh:F2})"));
        RecoveryCase result = laboratory.Recover(gain.Form, decisions, epochs);
        var table = new StringBuilder();
        table.AppendLine("| form | mean sparsity | time, dense / pruned | dense % | by magnitude % | same, re-fitted % | re-fit % | share recovered | fine-tuned % | points lost | epochs | seconds |");
        table.AppendLine("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        table.AppendLine(CultureInfo.InvariantCulture,
            $"| {gain.Form} | {result.Sparsity:F2} | {gain.Speedup:F2} ({gain.SpeedupLow:F2} .. {gain.SpeedupHigh:F2}) | {100 * result.DenseTest:F2} | {100 * result.MagnitudeTest:F2} | {100 * result.MagnitudeRefitTest:F2} | {100 * result.RefitTest:F2} | {result.Recovered:F2} | {100 * result.FineTunedTest:F2} | {100 * (result.DenseTest - result.FineTunedTest):F2} | {result.Epochs} | {result.Seconds:F0} |");
        return table.ToString();
    }
}
