// What pruning costs, what the label-free re-fit gives back, and what fine-tuning gives back:
//   dotnet run -c Release --project bench/experiments/Recovery -- plan MODEL DATA FOLDER EPOCHS PLAN
//   dotnet run -c Release --project bench/experiments/Recovery -- unstructured|block MODEL DATA FOLDER EPOCHS SPARSITY
//   dotnet run -c Release --project bench/experiments/Recovery -- correlation MODEL DATA FOLDER EPOCHS PLANS
// 'plan' takes the sparsity of each group from a plan file, as 'coinference search' writes it; the other two give every layer
// the same sparsity.
// 'correlation' asks whether the accuracy that a search judges by, after the re-fit, ranks random plans as fine-tuning does.
// Each finished case is a JSON file in FOLDER, and an interrupted fine-tuning has its checkpoint there: the same command goes on.
using System.Globalization;
using CoInference.Bench.Recovery;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;

if (args is not [("plan" or "unstructured" or "block" or "correlation") and var mode, var model, var spec, var folder, var epochCount, var setting]
    || !int.TryParse(epochCount, CultureInfo.InvariantCulture, out int epochs))
{
    Console.Error.WriteLine("usage: Recovery plan|unstructured|block|correlation MODEL DATA FOLDER EPOCHS PLAN|SPARSITY|PLANS");
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
    var laboratory = new Laboratory(graph, DataSpec.Parse(spec), folder, stop.Token);
    Console.WriteLine(mode switch
    {
        "plan" => SparsityExperiment.Run(laboratory, PlanFile.Read(setting).Groups, epochs),
        "correlation" => CorrelationExperiment.Run(laboratory, epochs, int.Parse(setting, CultureInfo.InvariantCulture)),
        _ => SparsityExperiment.Run(laboratory, mode == "block" ? WeightForm.Block : WeightForm.Unstructured, double.Parse(setting, CultureInfo.InvariantCulture), epochs),
    });
    return 0;
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("cancelled; the same command goes on");
    return 130;
}
