// Makes src/Cli/Assets/shapes10.onnx from nothing:
//   dotnet run -c Release --project bench/TrainShapes10 -- src/Cli/Assets/shapes10.onnx [EPOCHS]
using System.Globalization;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Training;

if (args.Length is 0 or > 2)
{
    Console.Error.WriteLine("usage: TrainShapes10 OUT.onnx [EPOCHS]");
    return 2;
}

var options = new TrainingOptions();
if (args.Length == 2)
{
    if (!int.TryParse(args[1], NumberStyles.None, CultureInfo.InvariantCulture, out int epochs) || epochs < 1)
    {
        Console.Error.WriteLine($"'{args[1]}' is not a number of epochs.");
        return 2;
    }

    options = options with { Epochs = epochs };
}

using var cancellation = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    cancellation.Cancel();
};

try
{
    TrainingResult result = ShapesTrainer.Run(options, new ConsoleProgress(), cancellation.Token);
    OnnxModel.Save(result.Graph, args[0]);
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{args[0]}: {result.Parameters} parameters, test accuracy {result.TestAccuracy:P2}"));
    return 0;
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("cancelled; nothing was written");
    return 130;
}

/// <summary>Prints each epoch at once; Progress of the runtime library would post to another thread.</summary>
internal sealed class ConsoleProgress : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value) => Console.Error.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"epoch {value.Epoch}/{value.Epochs}  loss {value.Loss:F3}  train {value.TrainAccuracy:P1}  validation {value.ValidationAccuracy:P1}  {value.Elapsed.TotalSeconds:F0} s"));
}
