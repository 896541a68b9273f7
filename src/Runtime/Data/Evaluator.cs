using System.Diagnostics;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Data;

/// <summary>Measures the accuracy of a network, whole or split with a codec in between.</summary>
public static class Evaluator
{
    private const int TopCount = 5;

    /// <summary>Judges a whole network.</summary>
    /// <param name="graph">One float input [N, C, H, W] and one float output [N, classes].</param>
    /// <param name="images">Images of the network's input size.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="cancellation">Stops between two images.</param>
    /// <exception cref="ArgumentException">The images or options do not fit the network.</exception>
    /// <exception cref="NotSupportedException">The network uses an operator that this build does not have.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Evaluation Evaluate(Graph graph, ImageSet images, EvaluationOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new EvaluationOptions();
        using Session session = Session.Create(graph, options.Sessions);
        return Evaluate(() => new WholeClassifier(session.Fork()), images, options, cancellation);
    }

    /// <summary>Judges two halves with a codec in between, exactly as two processes would compute.</summary>
    /// <param name="device">Graph from the image to the feature.</param>
    /// <param name="codec">Encodes and decodes the feature; null to hand it over as it is.</param>
    /// <param name="edge">Graph from the feature to the scores.</param>
    /// <param name="images">Images of the device half's input size.</param>
    /// <param name="options">Null for the defaults; the batch size does not apply, features are encoded one by one.</param>
    /// <param name="cancellation">Stops between two images.</param>
    /// <exception cref="ArgumentException">The images, halves, codec or options do not fit together.</exception>
    /// <exception cref="NotSupportedException">A half uses an operator that this build does not have.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Evaluation Evaluate(Graph device, FeatureCodec? codec, Graph edge, ImageSet images, EvaluationOptions? options = null, CancellationToken cancellation = default)
    {
        options = (options ?? new EvaluationOptions()) with { BatchSize = 1 };
        using Session first = Session.Create(device, options.Sessions), second = Session.Create(edge, options.Sessions);
        return Evaluate(() => new SplitClassifier(first.Fork(), codec, second.Fork()), images, options, cancellation);
    }

    private static Evaluation Evaluate(Func<Classifier> makeClassifier, ImageSet images, EvaluationOptions options, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Workers, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.BatchSize, 1, nameof(options));
        if (images.Count == 0) throw new ArgumentException("There are no images to judge the network on.", nameof(images));
        int batches = (images.Count + options.BatchSize - 1) / options.BatchSize, next = 0;
        var classifiers = new Classifier[Math.Min(options.Workers, batches)];
        var predictions = new int[images.Count];
        int top1 = 0, top5 = 0;
        long payload = 0;
        try
        {
            for (int i = 0; i < classifiers.Length; i++)
            {
                classifiers[i] = makeClassifier();
                classifiers[i].Require(images, options.BatchSize);
            }

            long started = Stopwatch.GetTimestamp();
            Run(classifiers, classifier =>
            {
                var inputs = new float[options.BatchSize * images.ImageBytes];
                var scores = new float[options.BatchSize * classifier.Classes];
                int batch;
                while ((batch = Interlocked.Increment(ref next) - 1) < batches)
                {
                    cancellation.ThrowIfCancellationRequested();
                    int first = batch * options.BatchSize, count = Math.Min(options.BatchSize, images.Count - first);
                    for (int i = 0; i < count; i++)
                        options.Preprocessing.Apply(images.Image(first + i), images.Channels, inputs.AsSpan(i * images.ImageBytes, images.ImageBytes));
                    Interlocked.Add(ref payload, classifier.Classify(inputs, scores));
                    for (int i = 0; i < count; i++)
                    {
                        ReadOnlySpan<float> row = scores.AsSpan(i * classifier.Classes, classifier.Classes);
                        predictions[first + i] = Predict(row);
                        int rank = Rank(row, images.Labels[first + i]);
                        if (rank == 0) Interlocked.Increment(ref top1);
                        if (rank < TopCount) Interlocked.Increment(ref top5);
                    }
                }
            });
            double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            double count = images.Count;
            return new Evaluation(top1 / count, top5 / count, images.Count, count / seconds, predictions, payload / count);
        }
        finally
        {
            foreach (Classifier? classifier in classifiers) classifier?.Dispose();
        }
    }

    private static void Run(Classifier[] classifiers, Action<Classifier> work)
    {
        var tasks = new Task[classifiers.Length];
        for (int i = 0; i < tasks.Length; i++)
        {
            Classifier classifier = classifiers[i];
            tasks[i] = Task.Factory.StartNew(() => work(classifier), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }

        try
        {
            Task.WaitAll(tasks);
        }
        catch (AggregateException failures)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failures.InnerExceptions[0]);
        }
    }

    /// <summary>The first of the highest scores; -1 when one is not a number.</summary>
    private static int Predict(ReadOnlySpan<float> scores)
    {
        int best = 0;
        for (int i = 0; i < scores.Length; i++)
        {
            if (float.IsNaN(scores[i])) return -1;
            if (scores[i] > scores[best]) best = i;
        }

        return best;
    }

    /// <summary>How many classes stand before the label; all of them when a score is not a number.</summary>
    private static int Rank(ReadOnlySpan<float> scores, int label)
    {
        int rank = 0;
        for (int i = 0; i < scores.Length; i++)
        {
            if (float.IsNaN(scores[i])) return scores.Length;
            if (scores[i] > scores[label] || (scores[i] == scores[label] && i < label)) rank++;
        }

        return rank;
    }
}
