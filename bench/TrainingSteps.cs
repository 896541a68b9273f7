using System.Diagnostics;
using System.Globalization;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Training;

namespace CoInference.Bench;

/// <summary>
/// Training steps on demand, for side-by-side runs: reads a number of steps per line from stdin, runs them and writes the
/// seconds they took. A step is forward, loss, backward and SGD on a batch that stays the same.
/// </summary>
internal static class TrainingSteps
{
    /// <summary>The mode's name on the command line.</summary>
    public const string Name = "training-steps";

    private const int Side = 32, Classes = 10;

    /// <summary>Runs until stdin ends.</summary>
    /// <param name="arguments">Architecture, batch, threads.</param>
    public static int Run(ReadOnlySpan<string> arguments)
    {
        if (arguments.Length != 3 || !int.TryParse(arguments[1], out int batch) || !int.TryParse(arguments[2], out int threads))
        {
            Console.Error.WriteLine($"usage: Bench {Name} ARCH BATCH THREADS");
            return 2;
        }

        Graph graph = Architectures.Create(arguments[0], new ArchitectureInput(3, Side, Side, Classes, 1));
        using var network = new TrainingNetwork(graph, batch, threads);
        var trainer = new StepTimer(network);
        while (Console.ReadLine() is { } line)
        {
            int steps = int.Parse(line, CultureInfo.InvariantCulture);
            long start = Stopwatch.GetTimestamp();
            for (int step = 0; step < steps; step++) trainer.Step();
            Console.WriteLine(Stopwatch.GetElapsedTime(start).TotalSeconds.ToString("R", CultureInfo.InvariantCulture));
        }

        return 0;
    }

    /// <summary>One network with a batch of random images.</summary>
    private sealed class StepTimer
    {
        private readonly TrainingNetwork _network;
        private readonly Optimizer _optimizer;
        private readonly float[] _logits, _gradients;
        private readonly int[] _labels;

        public StepTimer(TrainingNetwork network)
        {
            _network = network;
            _optimizer = new Optimizer(OptimizerKind.Sgd, network.Parameters, momentum: 0.9f, weightDecay: 5e-4f);
            _labels = new int[network.Batch];
            _logits = new float[network.Batch * Classes];
            _gradients = new float[_logits.Length];
            var random = new Random(1);
            var image = new float[3 * Side * Side];
            for (int i = 0; i < network.Batch; i++)
            {
                _labels[i] = random.Next(Classes);
                for (int k = 0; k < image.Length; k++) image[k] = (float)((2 * random.NextDouble()) - 1);
                network.SetImage(i, image);
            }
        }

        public void Step()
        {
            _network.Forward(_logits);
            new ClassificationLoss().Measure(_logits, _labels, [], _gradients);
            _network.Backward(_gradients);
            _optimizer.Step(0.01f);
        }
    }
}
