// What pruning costs, what the label-free re-fit gives back, and what fine-tuning gives back:
//   dotnet run -c Release --project bench/experiments/Recovery -- forms MODEL DATA FOLDER [EPOCHS]
//   dotnet run -c Release --project bench/experiments/Recovery -- correlation MODEL DATA FOLDER [EPOCHS [PLANS]]
// 'forms' prunes MODEL by channels until its measured time is halved, by single weights (80 %) and by blocks (70 %).
// 'correlation' asks whether the accuracy that a search judges by, after the re-fit, ranks random plans as fine-tuning does.
// Each finished case is a JSON file in FOLDER, and an interrupted fine-tuning has its checkpoint there: the same command goes on.
using System.Globalization;
using CoInference.Bench.Recovery;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;

if (args is not [("forms" or "correlation") and var mode, var model, var spec, var folder, ..])
{
    Console.Error.WriteLine("usage: Recovery forms|correlation MODEL DATA FOLDER [EPOCHS [PLANS]]");
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
    Console.WriteLine(mode == "forms"
        ? FormsExperiment.Run(laboratory, Argument(4, 10))
        : CorrelationExperiment.Run(laboratory, Argument(4, 1), Argument(5, 12)));
    return 0;
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("cancelled; the same command goes on");
    return 130;
}

int Argument(int index, int fallback) => args.Length > index ? int.Parse(args[index], CultureInfo.InvariantCulture) : fallback;
