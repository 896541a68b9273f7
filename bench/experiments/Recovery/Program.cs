// What pruning costs, what the label-free re-fit gives back, and what fine-tuning gives back:
//   dotnet run -c Release --project bench/experiments/Recovery -- channel MODEL DATA FOLDER EPOCHS SPEEDUP [LR]
//   dotnet run -c Release --project bench/experiments/Recovery -- plan MODEL DATA FOLDER EPOCHS PLAN [LR]
//   dotnet run -c Release --project bench/experiments/Recovery -- unstructured|block MODEL DATA FOLDER EPOCHS SPARSITY [LR [magnitude]]
//   dotnet run -c Release --project bench/experiments/Recovery -- correlation MODEL DATA FOLDER EPOCHS PLANS [LR]
// 'channel' removes channels where they cost least for the time they save, until the network is predicted to be SPEEDUP times as
// fast; what each group costs and saves alone is measured first.
// 'plan' takes the sparsity of each group from a plan file, as 'coinference search' writes it; the other two remove a share of
// all weights, divided among the layers by the error that their loss leaves, or by layer-adaptive magnitude. LR is the highest learning rate, by default 0.02.
// 'correlation' asks whether the accuracy that a search judges by, after the re-fit, ranks random plans as fine-tuning does.
// Each finished case is a JSON file in FOLDER, and an interrupted fine-tuning has its checkpoint there: the same command goes on.
using System.Globalization;
using CoInference.Bench.Recovery;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;

if (args is not [("channel" or "plan" or "unstructured" or "block" or "correlation") and var mode, var model, var spec, var folder, var epochCount, var setting, .. var rest]
    || !int.TryParse(epochCount, CultureInfo.InvariantCulture, out int epochs) || rest is not ([] or [_] or [_, "magnitude"])
    || (rest.Length > 1 && mode is not ("unstructured" or "block"))
    || !float.TryParse(rest is [var given, ..] ? given : "0.02", CultureInfo.InvariantCulture, out float rate))
{
    Console.Error.WriteLine("usage: Recovery channel|plan|unstructured|block|correlation MODEL DATA FOLDER EPOCHS SPEEDUP|PLAN|SPARSITY|PLANS [LR [magnitude]]");
    return 2;
}

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    stop.Cancel();
};
try
{
    Graph graph = GraphSimplifier.Simplify(OnnxModel.Load(model));
    int? images = mode == "correlation" ? CorrelationExperiment.TrainingImages : null;
    using var laboratory = new Laboratory(graph, DataSpec.Parse(spec), folder, rate, images, stop.Token);
    Console.WriteLine(mode switch
    {
        "channel" => SparsityExperiment.Run(laboratory, ChannelAllocation.Decide(laboratory, double.Parse(setting, CultureInfo.InvariantCulture), stop.Token), epochs),
        "plan" => SparsityExperiment.Run(laboratory, PlanFile.Read(setting).Groups, epochs),
        "correlation" => CorrelationExperiment.Run(laboratory, epochs, int.Parse(setting, CultureInfo.InvariantCulture)),
        _ => SparsityExperiment.Run(laboratory, mode == "block" ? WeightForm.Block : WeightForm.Unstructured, double.Parse(setting, CultureInfo.InvariantCulture), epochs, byMagnitude: rest.Length > 1),
    });
    return 0;
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("cancelled; the same command goes on");
    return 130;
}
