using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using CoInference.Kernels.Devices;
using CoInference.Runtime.Data;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Training;

/// <summary>
/// Trains a classifier. Order and augmentation follow from seed, epoch and place alone, and sums do not depend on the
/// number of threads, so a run that is stopped and resumed ends with the very same bits as one that is not.
/// </summary>
public sealed class Trainer : IDisposable
{
    private const int LoadParts = 8;
    private static readonly TimeSpan ReportInterval = TimeSpan.FromSeconds(1), SaveInterval = TimeSpan.FromMinutes(1);

    private readonly ImageSet _train;
    private readonly ImageSet? _validation;
    private readonly TrainerOptions _options;
    private readonly TrainingNetwork _network;
    private readonly Optimizer _optimizer;
    private readonly LearningRateSchedule _schedule;
    private readonly Session? _teacher;
    private readonly TrainingCheckpoint _position;
    private readonly float[] _table, _logits, _gradients, _teacherImages, _teacherLogits;
    private readonly int[] _labels, _otherLabels, _order;
    private readonly float[] _shares;
    private readonly int _steps;
    private readonly Stopwatch _training = new();
    private long _trainedImages;

    /// <summary>Compiles the network and, when asked to, goes back to the checkpoint.</summary>
    /// <param name="graph">Network to train; not changed.</param>
    /// <param name="train">Training images.</param>
    /// <param name="validation">Images judged after each epoch; null for none.</param>
    /// <param name="options">How.</param>
    /// <exception cref="ArgumentException">Images, network and options do not fit.</exception>
    /// <exception cref="NotSupportedException">The network has a node that cannot be trained through.</exception>
    /// <exception cref="InvalidDataException">The checkpoint is damaged or belongs to another run.</exception>
    public Trainer(Graph graph, ImageSet train, ImageSet? validation, TrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(options);
        (_train, _validation, _options) = (train, validation, options);
        if (train.Count < options.BatchSize) throw new ArgumentException($"{train.Count} training images are fewer than one batch of {options.BatchSize}.", nameof(train));
        _network = new TrainingNetwork(graph, options.BatchSize, options.Threads, options.RateWeight, options.Frozen);
        if (_network.ImageShape != (train.Channels, train.Height, train.Width) || _network.Classes < train.Classes)
        {
            throw new ArgumentException(
                $"The network takes images of {_network.ImageShape.Channels}x{_network.ImageShape.Height}x{_network.ImageShape.Width} and gives {_network.Classes} scores; "
                + $"the images are {train.Channels}x{train.Height}x{train.Width} of {train.Classes} classes.", nameof(train));
        }

        if (options.KeepsZeros)
        {
            foreach (TrainingParameter parameter in _network.Parameters.Where(parameter => parameter.Decays)) parameter.KeepZeros();
        }

        _optimizer = new Optimizer(options.Optimizer, _network.Parameters, options.Momentum, options.WeightDecay);
        _schedule = new LearningRateSchedule(options.Schedule, options.LearningRate, options.Epochs, Math.Min(options.WarmUpEpochs, options.Epochs));
        _table = Augmentation.Table(options.Preprocessing, train.Channels);
        _steps = train.Count / options.BatchSize;
        _order = new int[train.Count];
        _labels = new int[options.BatchSize];
        (_otherLabels, _shares) = options.Augmentation.Mixes ? (new int[options.BatchSize], new float[options.BatchSize]) : ([], []);
        _logits = new float[options.BatchSize * _network.Classes];
        _gradients = new float[_logits.Length];
        _teacherImages = _teacherLogits = [];
        if (options.Loss.Distillation > 0)
        {
            Graph teacher = options.Teacher ?? throw new ArgumentException("The loss distils, but there is no teacher.", nameof(options));
            _teacher = Session.Create(teacher, new SessionOptions { BatchSize = options.BatchSize, Workers = _network.Workers });
            _teacherImages = new float[options.BatchSize * train.ImageBytes];
            _teacherLogits = new float[_logits.Length];
        }

        string settings = Describe(graph);
        _position = options is { Resumes: true, Checkpoint: { } path } && File.Exists(path)
            ? TrainingCheckpoint.Load(path, settings, State())
            : new TrainingCheckpoint { Settings = settings };
        _optimizer.Steps = _position.OptimizerSteps;
    }

    /// <summary>Epochs that a resumed checkpoint had done.</summary>
    public int EpochsDone => _position.Epoch;

    /// <summary>Told the number of steps of this run after each of them.</summary>
    internal Action<long>? StepDone { get; set; }

    /// <summary>Trains to the last epoch.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; the checkpoint holds the position.</exception>
    /// <exception cref="IOException">The checkpoint cannot be written; the earlier one is intact.</exception>
    /// <exception cref="InvalidDataException">The loss is no longer a number.</exception>
    public TrainerResult Run(IProgress<TrainerProgress>? progress = null, CancellationToken cancellation = default)
    {
        var clock = Stopwatch.StartNew();
        long reported = 0;
        TimeSpan saved = TimeSpan.Zero;
        double loss = 0;
        for (; _position.Epoch < _options.Epochs; _position.Epoch++)
        {
            Shuffle();
            for (; _position.Step < _steps; _position.Step++)
            {
                if (cancellation.IsCancellationRequested || clock.Elapsed - saved > SaveInterval)
                {
                    Save();
                    saved = clock.Elapsed;
                    cancellation.ThrowIfCancellationRequested();
                }

                _training.Start();
                TrainBatch();
                _training.Stop();
                _trainedImages += _options.BatchSize;
                StepDone?.Invoke(_trainedImages / _options.BatchSize);
                if (clock.ElapsedMilliseconds - reported < ReportInterval.TotalMilliseconds) continue;
                reported = clock.ElapsedMilliseconds;
                progress?.Report(Progress(_position.Step + 1, null));
            }

            loss = _position.LossSum / _steps;
            progress?.Report(Progress(_steps, Validate(cancellation)));
            (_position.Step, _position.LossSum, _position.Correct) = (0, 0, 0);
            if (_options.Checkpoint is null) continue;
            _position.Epoch++;
            Save();
            _position.Epoch--;
        }

        return new TrainerResult(Export(), ImagesPerSecond, clock.Elapsed.TotalSeconds, loss);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _teacher?.Dispose();
        _network.Dispose();
    }

    private double ImagesPerSecond => _trainedImages == 0 ? 0 : _trainedImages / _training.Elapsed.TotalSeconds;

    private void TrainBatch()
    {
        int first = _position.Step * _options.BatchSize;
        for (int i = 0; i < _labels.Length; i++) _labels[i] = _train.Labels[_order[first + i]];
        _network.Workers.Run(new LoadWork(this, first), LoadParts);
        if (_options.Augmentation.Mixes) _network.Workers.Run(new MixWork(this, first), LoadParts);
        _network.Forward(_logits);
        if (_teacher is not null) AskTeacher();
        (double loss, int correct) = _options.Loss.Measure(_logits, _labels, _teacherLogits, _gradients, new MixedLabels(_otherLabels, _shares));
        if (!double.IsFinite(loss))
            throw new InvalidDataException($"Training diverged in epoch {_position.Epoch + 1}: the loss is no longer a number. A lower learning rate or a longer warm-up may help.");
        _network.Backward(_gradients);
        if (float.IsFinite(_options.ClipNorm)) _optimizer.Clip(_options.ClipNorm);
        _optimizer.Step(_schedule.At(_position.Epoch + ((double)_position.Step / _steps)));
        _position.LossSum += loss + _network.RateLoss;
        _position.Correct += correct;
    }

    private void AskTeacher()
    {
        int at = 0;
        for (int image = 0; image < _options.BatchSize; image++)
        {
            for (int c = 0; c < _train.Channels; c++)
            {
                for (int y = 0; y < _train.Height; y++)
                {
                    for (int x = 0; x < _train.Width; x++) _teacherImages[at++] = _network.Images.At(image, c, y, x);
                }
            }
        }

        _teacher!.Run(_teacherImages, _teacherLogits);
    }

    private void Shuffle()
    {
        for (int i = 0; i < _order.Length; i++) _order[i] = i;
        SplitMix64 random = Source(-1);
        for (int i = _order.Length - 1; i > 0; i--)
        {
            int j = random.Next(i + 1);
            (_order[i], _order[j]) = (_order[j], _order[i]);
        }
    }

    /// <summary>The random numbers of one place of the present epoch.</summary>
    private SplitMix64 Source(int place) => new(new SplitMix64(_options.Seed + ((ulong)_position.Epoch << 32) + (uint)place).Next());

    private double? Validate(CancellationToken cancellation)
    {
        if (_validation is null) return null;
        var options = new EvaluationOptions { Preprocessing = _options.Preprocessing, Workers = _options.Threads };
        return Evaluator.Evaluate(Export(), _validation, options, cancellation).Top1;
    }

    private Graph Export()
    {
        Graph graph = _network.Export();
        if (Preprocessing.Presets.Contains(_options.Preprocessing)) graph.Metadata[Preprocessing.MetadataKey] = _options.Preprocessing.Name;
        return graph;
    }

    private TrainerProgress Progress(int stepsDone, double? validation)
    {
        double epoch = _position.Epoch + ((double)stepsDone / _steps), left = (_options.Epochs - epoch) * _steps * _options.BatchSize;
        return new TrainerProgress(
            epoch, _options.Epochs, _position.LossSum / stepsDone, (double)_position.Correct / ((long)stepsDone * _options.BatchSize), validation,
            ImagesPerSecond, TimeSpan.FromSeconds(ImagesPerSecond == 0 ? 0 : left / ImagesPerSecond));
    }

    private void Save()
    {
        if (_options.Checkpoint is not { } path) return;
        _position.OptimizerSteps = _optimizer.Steps;
        _position.Save(path, State());
    }

    private float[][] State() => [.. _network.Parameters.Select(parameter => parameter.Values), .. _optimizer.State];

    /// <summary>All that decides the result, a line each.</summary>
    private string Describe(Graph graph) => string.Join('\n',
        $"network {ModelHash.Of(OnnxModel.Serialize(graph))}",
        string.Create(CultureInfo.InvariantCulture, $"images {_train.Count} of {_train.Channels}x{_train.Height}x{_train.Width}, {ModelHash.Of(_train.Pixels)}, labels {ModelHash.Of(MemoryMarshal.AsBytes<int>(_train.Labels))}"),
        string.Create(CultureInfo.InvariantCulture, $"epochs {_options.Epochs}"),
        string.Create(CultureInfo.InvariantCulture, $"batch {_options.BatchSize}"),
        string.Create(CultureInfo.InvariantCulture, $"optimizer {_options.Optimizer} rate {_options.LearningRate:R} momentum {_options.Momentum:R} decay {_options.WeightDecay:R} clip {_options.ClipNorm:R}"),
        string.Create(CultureInfo.InvariantCulture, $"schedule {_options.Schedule} warm-up {_options.WarmUpEpochs:R}"),
        $"loss {_options.Loss}, teacher {(_options.Teacher is null ? "none" : ModelHash.Of(OnnxModel.Serialize(_options.Teacher)))}",
        string.Create(CultureInfo.InvariantCulture, $"rate weight {_options.RateWeight:R}"),
        $"augmentation {_options.Augmentation}",
        $"preprocessing {_options.Preprocessing.Name}",
        $"zeros {(_options.KeepsZeros ? "kept" : "free")}" + (_options.Frozen is null ? "" : $", frozen to {_options.Frozen}"),
        string.Create(CultureInfo.InvariantCulture, $"seed {_options.Seed}"),
        $"vectors {CpuFeatures.Widest}");

    // Image i with image n - 1 - i; one in the middle stays as it is.
    private sealed class MixWork(Trainer trainer, int first) : IParallelWork
    {
        public void Execute(int part)
        {
            int batch = trainer._options.BatchSize, pairs = batch / 2;
            (int channels, int height, int width) = (trainer._train.Channels, trainer._train.Height, trainer._train.Width);
            for (int i = pairs * part / LoadParts; i < pairs * (part + 1) / LoadParts; i++)
            {
                int other = batch - 1 - i;
                SplitMix64 random = trainer.Source(-2 - first - i);
                float share = Augmentation.Mix(trainer._network.Images, i, other, (channels, height, width), ref random);
                (trainer._shares[i], trainer._shares[other]) = (share, share);
                (trainer._otherLabels[i], trainer._otherLabels[other]) = (trainer._labels[other], trainer._labels[i]);
            }

            if (part != 0 || batch % 2 == 0) return;
            (trainer._shares[pairs], trainer._otherLabels[pairs]) = (1, trainer._labels[pairs]);
        }
    }

    private sealed class LoadWork(Trainer trainer, int first) : IParallelWork
    {
        public void Execute(int part)
        {
            int batch = trainer._options.BatchSize;
            for (int i = batch * part / LoadParts; i < batch * (part + 1) / LoadParts; i++)
            {
                SplitMix64 random = trainer.Source(first + i);
                trainer._options.Augmentation.Copy(trainer._train, trainer._order[first + i], trainer._table, trainer._network.Images, i, ref random);
            }
        }
    }
}
