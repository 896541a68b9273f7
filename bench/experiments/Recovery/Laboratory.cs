using System.Text.Json;
using System.Text.Json.Serialization;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Sparsity;
using CoInference.Runtime.Training;

namespace CoInference.Bench.Recovery;

/// <summary>One pruned network on its way back to accuracy. Accuracies are top-1, 0 to 1.</summary>
internal sealed record RecoveryCase
{
    public required string Name { get; init; }

    public required double Sparsity { get; init; }

    public required double DenseTest { get; init; }

    public required double MagnitudeTest { get; init; }

    public required double MagnitudeRefitTest { get; init; }

    public required double RefitTest { get; init; }

    public required double JudgedValidation { get; init; }

    public required double FineTunedTest { get; init; }

    public required int Epochs { get; init; }

    public required double Seconds { get; init; }

    /// <summary>Share of what magnitude pruning lost that the re-fit gives back.</summary>
    [JsonIgnore]
    public double Recovered => (RefitTest - MagnitudeTest) / Math.Max(1e-9, DenseTest - MagnitudeTest);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(RecoveryCase))]
[JsonSerializable(typeof(List<GroupDecision>))]
internal sealed partial class RecoveryJson : JsonSerializerContext;

/// <summary>A network, its images, and what both experiments do with a decision.</summary>
internal sealed class Laboratory : IDisposable
{
    private const float Clip = 2, Distillation = 0.7f, Temperature = 4;
    private static readonly RefitOptions NoRefit = new() { Mode = RefitMode.None };

    private readonly CancellationToken _cancellation;
    private readonly string _folder;
    private readonly ImageSet _train, _validation, _test;
    private readonly Pruner _magnitude, _magnitudeRefit;
    private readonly EvaluationOptions _judging;
    private readonly WorkerSet _workers = new(Environment.ProcessorCount);
    private readonly float _learningRate;
    private readonly double _denseTest;

    public Laboratory(Graph graph, DataSource data, string folder, float learningRate, int? trainingImages, CancellationToken cancellation)
    {
        (Graph, _folder, _learningRate, _cancellation) = (graph, folder, learningRate, cancellation);
        Directory.CreateDirectory(folder);
        (_train, _validation, _test) = (data.Load(Split.Train, trainingImages), data.Load(Split.SearchValidation), data.Load(Split.Test));
        Preprocessing preprocessing = Preprocessing.Presets.First(preset => preset.Name == (graph.Metadata.GetValueOrDefault(Preprocessing.MetadataKey) ?? Preprocessing.ImageNet.Name));
        _judging = new EvaluationOptions { Preprocessing = preprocessing };
        Tensor calibration = preprocessing.Apply(_train, new RefitOptions().Images);
        Pruner = Pruner.Create(graph, calibration, new PrunerOptions { Workers = _workers }, cancellation);
        _magnitude = Pruner.Create(graph, calibration, new PrunerOptions { Workers = _workers, Importance = Importance.L1, Refit = NoRefit }, cancellation);
        _magnitudeRefit = Pruner.Create(graph, calibration, new PrunerOptions { Workers = _workers, Importance = Importance.L1 }, cancellation);
        _denseTest = Top1(graph, _test);
    }

    public Graph Graph { get; }

    public Pruner Pruner { get; }

    public int TrainingImages => _train.Count;

    /// <summary>Where cases, checkpoints and networks are kept.</summary>
    public string Folder => _folder;

    /// <summary>Accuracy on the first search-validation images.</summary>
    public double Validate(Graph network, int images) => Top1(network, _validation.Take(images));

    /// <summary>Prunes, judges, fine-tunes and judges again; a case that is already in the folder is read instead.</summary>
    public RecoveryCase Recover(string name, IReadOnlyList<GroupDecision> decisions, int epochs)
    {
        string file = Path.Combine(_folder, name + ".json"), network = Path.Combine(_folder, name + ".onnx");
        if (File.Exists(file)) return JsonSerializer.Deserialize(File.ReadAllText(file), RecoveryJson.Default.RecoveryCase)!;
        Graph refitted = Pruner.Apply(decisions, _cancellation);
        var result = new RecoveryCase
        {
            Name = name,
            Sparsity = Sparsity(decisions),
            DenseTest = _denseTest,
            MagnitudeTest = Top1(_magnitude.Apply(decisions, _cancellation), _test),
            MagnitudeRefitTest = Top1(_magnitudeRefit.Apply(decisions, _cancellation), _test),
            RefitTest = Top1(refitted, _test),
            JudgedValidation = Top1(refitted, _validation),
            FineTunedTest = 0,
            Epochs = epochs,
            Seconds = 0,
        };
        Console.Error.WriteLine($"{name}: dense {result.DenseTest:P2}, magnitude {result.MagnitudeTest:P2}, re-fit {result.RefitTest:P2}");
        TrainerResult tuned = FineTune(name, refitted, epochs, decisions.Any(decision => decision.Form != WeightForm.Dense));
        result = result with { FineTunedTest = Top1(tuned.Graph, _test), Seconds = tuned.Seconds };
        OnnxModel.Save(tuned.Graph, network);
        File.WriteAllText(file, JsonSerializer.Serialize(result, RecoveryJson.Default.RecoveryCase));
        return result;
    }

    public void Dispose() => _workers.Dispose();

    private TrainerResult FineTune(string name, Graph pruned, int epochs, bool keepsZeros)
    {
        // The graph's normalizations are folded; training needs some.
        using var trainer = new Trainer(Renormalization.Insert(pruned, _train, _judging.Preprocessing, _workers.Threads, cancellation: _cancellation), _train, null, new TrainerOptions
        {
            Epochs = epochs,
            LearningRate = _learningRate,
            WarmUpEpochs = 0.2,
            ClipNorm = Clip,
            KeepsZeros = keepsZeros,
            Preprocessing = _judging.Preprocessing,
            Teacher = Graph,
            Loss = new ClassificationLoss(0, Distillation, Temperature),
            Checkpoint = Path.Combine(_folder, name + ".checkpoint"),
            Resumes = true,
        });
        int reported = -1;
        TrainerResult result = trainer.Run(new ImmediateProgress(state =>
        {
            int percent = (int)(100 * state.Epoch / epochs);
            if (percent == reported) return;
            reported = percent;
            Console.Error.WriteLine($"{name}: epoch {state.Epoch:F2}/{epochs}, loss {state.Loss:F3}, train {state.TrainAccuracy:P1}, {state.ImagesPerSecond:F0} images/s, {state.Remaining:h\\:mm\\:ss} left");
        }), _cancellation);
        return result with { Graph = GraphSimplifier.Simplify(result.Graph) };
    }

    /// <summary>For channels the mean over groups; for blocks and single weights the share of all weights that is zero.</summary>
    private double Sparsity(IReadOnlyList<GroupDecision> decisions)
    {
        if (decisions[0].Form == WeightForm.Dense) return decisions.Average(decision => decision.Sparsity);
        Dictionary<string, double> weights = Pruner.Groups(decisions[0].Form).ToDictionary(group => group.Name, group => (double)group.Layers[0].Shape.WeightCount);
        return decisions.Sum(decision => decision.Sparsity * weights[decision.Group]) / weights.Values.Sum();
    }

    private double Top1(Graph network, ImageSet images) => Evaluator.Evaluate(network, images, _judging, _cancellation).Top1;

    private sealed class ImmediateProgress(Action<TrainerProgress> report) : IProgress<TrainerProgress>
    {
        public void Report(TrainerProgress value) => report(value);
    }
}
