using CoInference.Kernels.Devices;
using CoInference.Kernels.Simd.Training;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Training.Steps;

namespace CoInference.Runtime.Training;

/// <summary>
/// A network with its backward pass. The batch is divided into parts that threads take one by one; between two points at
/// which a batch normalization needs the whole batch, a few images go through all steps while their maps are in the cache.
/// </summary>
public sealed unsafe class TrainingNetwork : IDisposable
{
    private const int MostParts = 8;
    private const int MostPartsOfLargeNetwork = 4;
    private const int LargeNetworkParameters = 4_000_000;

    /// <summary>Bytes of the largest map that one pass over a few images may touch.</summary>
    private const int PassBytes = 192 * 1024;

    private readonly WorkerSet _workers;
    private readonly CompiledSteps _compiled;
    private readonly Region[] _forward, _backward;
    private readonly PrepareWork _prepare;
    private readonly FoldWork _fold;
    private readonly int _parts;

    /// <summary>Compiles a graph.</summary>
    /// <param name="graph">One float input [N, C, H, W], one output [N, classes]; batch normalizations train, folded ones stay folded.</param>
    /// <param name="batch">Images per step.</param>
    /// <param name="threads">Threads; results do not depend on their number.</param>
    /// <param name="rateWeight">Weight in the loss of a bit per image that the levels of quantizers (QuantizeLinear with DequantizeLinear) carry; 0 for none.</param>
    /// <param name="frozen">Value up to which nothing is trained, normalizations going by their running statistics; null for none.</param>
    /// <exception cref="NotSupportedException">A node cannot be trained through; the message names it and what is supported.</exception>
    /// <exception cref="InvalidDataException">Nodes and shapes do not fit each other.</exception>
    /// <exception cref="ArgumentException">The network does not compute the frozen value.</exception>
    public TrainingNetwork(Graph graph, int batch, int threads, float rateWeight = 0, string? frozen = null)
    {
        ArgumentNullException.ThrowIfNull(graph);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        Graph open = OpenBatch(graph);
        bool normalizes = open.Nodes.Exists(node => node.OpType == "BatchNormalization");
        Graph = GraphSimplifier.Simplify(open, batch, foldsAffine: !normalizes);
        Batch = batch;
        _compiled = StepCompiler.Compile(Graph, batch, rateWeight, frozen);
        bool large = _compiled.Parameters.Sum(parameter => (long)parameter.Values.Length) > LargeNetworkParameters;
        _parts = Math.Min(batch, large ? MostPartsOfLargeNetwork : MostParts);
        foreach (TrainingStep step in _compiled.Steps) step.RequireBorders();
        _compiled.Images.Allocate(batch);
        foreach (TrainingStep step in _compiled.Steps) step.Allocate(batch, _parts);
        ConnectGradients();
        _forward = [.. Regions(ForwardPasses())];
        _backward = [.. Regions(BackwardPasses())];
        (_prepare, _fold) = (new PrepareWork(_compiled.Steps), new FoldWork(_compiled.Steps));
        _workers = new WorkerSet(threads);
    }

    /// <summary>The graph that is trained: the given one, simplified. <see cref="Export"/> gives it with the present parameters.</summary>
    public Graph Graph { get; }

    /// <summary>Images per step.</summary>
    public int Batch { get; }

    /// <summary>Channels, rows and columns of an image.</summary>
    public (int Channels, int Height, int Width) ImageShape => (_compiled.Images.Channels, _compiled.Images.Height, _compiled.Images.Width);

    /// <summary>Class scores per image.</summary>
    public int Classes => _compiled.Logits.Channels;

    /// <summary>Weights, biases, normalizations and their running statistics.</summary>
    public IReadOnlyList<TrainingParameter> Parameters => _compiled.Parameters;

    /// <summary>Bits per image that the levels of quantizers carried in the last <see cref="Forward"/>, by the frequencies of each channel in the batch; 0 without a rate weight.</summary>
    public double Rate => _compiled.Quantizers.Sum(step => step.Rate);

    /// <summary>What the rate adds to the loss.</summary>
    internal double RateLoss => _compiled.Quantizers.Sum(step => step.Loss);

    internal BorderedMap Images => _compiled.Images.Map;

    internal WorkerSet Workers => _workers;

    /// <summary>Sets one image of the batch from CHW values.</summary>
    public void SetImage(int index, ReadOnlySpan<float> values)
    {
        int at = 0;
        for (int channel = 0; channel < Images.Channels; channel++)
        {
            for (int row = 0; row < Images.Height; row++)
            {
                for (int column = 0; column < Images.Width; column++) Images.At(index, channel, row, column) = values[at++];
            }
        }
    }

    /// <summary>Computes the class scores of the batch with the present parameters, normalizing by the batch.</summary>
    /// <param name="logits">Receives [batch, classes].</param>
    public void Forward(Span<float> logits)
    {
        _workers.Run(_prepare, _compiled.Steps.Count);
        Run(_forward);
        for (int image = 0; image < Batch; image++)
        {
            for (int c = 0; c < Classes; c++) logits[(image * Classes) + c] = _compiled.Logits.Map.At(image, c, 0, 0);
        }
    }

    /// <summary>Computes the gradients of all parameters; <see cref="Forward"/> came before.</summary>
    /// <param name="logitGradients">Gradient of the loss with respect to the class scores, [batch, classes].</param>
    public void Backward(ReadOnlySpan<float> logitGradients)
    {
        BorderedMap target = _compiled.Logits.Gradient!;
        for (int image = 0; image < Batch; image++)
        {
            for (int c = 0; c < Classes; c++) target.At(image, c, 0, 0) = logitGradients[(image * Classes) + c];
        }

        Run(_backward);
        _workers.Run(_fold, _compiled.Steps.Count);
    }

    /// <summary>A copy of <see cref="Graph"/> with the present parameters.</summary>
    public Graph Export()
    {
        Graph copy = Graph.Clone();
        foreach (TrainingParameter parameter in Parameters)
            copy.Initializers[parameter.Name] = Tensor.From<float>(Graph.Initializers[parameter.Name].Shape, parameter.Values);
        return copy;
    }

    /// <summary>Stops the threads.</summary>
    public void Dispose() => _workers.Dispose();

    private static Graph OpenBatch(Graph graph)
    {
        Graph open = graph.Clone();
        for (int i = 0; i < open.Inputs.Count; i++)
        {
            if (open.Inputs[i].Dimensions is { Count: 4 } dimensions)
                open.Inputs[i] = open.Inputs[i] with { Dimensions = [new Dimension(null, "N"), .. dimensions.Skip(1)] };
        }

        for (int i = 0; i < open.Outputs.Count; i++)
        {
            if (open.Outputs[i].Dimensions is { Count: 2 } dimensions)
                open.Outputs[i] = open.Outputs[i] with { Dimensions = [new Dimension(null, "N"), .. dimensions.Skip(1)] };
        }

        return open;
    }

    /// <summary>Gives every gradient a map; one that has been used up is given on to a value of the same size.</summary>
    private void ConnectGradients()
    {
        var free = new Dictionary<MapGeometry, Stack<BorderedMap>>();
        var users = new Dictionary<BorderedMap, int>();
        BorderedMap Take(MapGeometry geometry)
        {
            BorderedMap map = free.TryGetValue(geometry, out Stack<BorderedMap>? stack) && stack.Count > 0 ? stack.Pop() : geometry.Allocate(Batch);
            users[map] = 1;
            return map;
        }

        _compiled.Logits.Gradient = Take(_compiled.Logits.GradientGeometry);
        foreach (TrainingStep step in BackwardSteps())
        {
            BorderedMap gradient = step.Output.Gradient
                ?? throw new NotSupportedException($"Value {step.Output} does not lead to the output; training needs every node to.");
            var targets = new BorderedMap?[step.Inputs.Length];
            var accumulates = new bool[targets.Length];
            for (int i = 0; i < targets.Length; i++)
            {
                TrainingValue input = step.Inputs[i];
                if (!input.NeedsGradient) continue;
                accumulates[i] = input.Gradient is not null;
                if (input.Gradient is null && i == step.PassedInput && input.GradientGeometry == step.Output.GradientGeometry)
                {
                    input.Gradient = gradient;
                    users[gradient]++;
                }

                targets[i] = input.Gradient ??= Take(input.GradientGeometry);
            }

            step.Connect(gradient, targets, accumulates);
            if (--users[gradient] > 0) continue;
            if (!free.TryGetValue(step.Output.GradientGeometry, out Stack<BorderedMap>? unused)) free[step.Output.GradientGeometry] = unused = new Stack<BorderedMap>();
            unused.Push(gradient);
        }
    }

    private IEnumerable<Pass> ForwardPasses()
    {
        foreach (TrainingStep step in _compiled.Steps)
        {
            if (step.Measures) yield return new Pass(step, step.Measure, step.EndMeasure);
            yield return new Pass(step, step.Forward, null);
        }
    }

    /// <summary>The steps that something trained lies in or before, last first; a step that only rearranges the image has no backward pass.</summary>
    private IEnumerable<TrainingStep> BackwardSteps() => _compiled.Steps.Reverse().Where(step => step.Output.NeedsGradient);

    private IEnumerable<Pass> BackwardPasses()
    {
        foreach (TrainingStep step in BackwardSteps())
        {
            if (step.MeasuresGradient) yield return new Pass(step, step.MeasureGradient, step.EndMeasureGradient);
            yield return new Pass(step, step.Backward, null);
        }
    }

    private IEnumerable<Region> Regions(IEnumerable<Pass> passes)
    {
        var gathered = new List<Pass>();
        foreach (Pass pass in passes)
        {
            gathered.Add(pass);
            if (pass.End is null) continue;
            yield return MakeRegion(gathered);
            gathered.Clear();
        }

        if (gathered.Count > 0) yield return MakeRegion(gathered);
    }

    private Region MakeRegion(List<Pass> passes)
    {
        long largest = passes.Max(pass => Math.Max((long)pass.Step.Output.Map.ImageStride, pass.Step.Inputs.Max(input => (long)input.Map.ImageStride)));
        int images = (int)Math.Clamp(PassBytes / sizeof(float) / largest, 1, Batch);
        return new Region([.. passes.Select(pass => pass.Work)], passes[^1].End, Batch, _parts, images);
    }

    private void Run(Region[] regions)
    {
        foreach (Region region in regions)
        {
            _workers.Run(region, _parts);
            region.End?.Invoke();
        }
    }

    private readonly record struct Pass(TrainingStep Step, Action<int, int, int> Work, Action? End);

    /// <summary>Passes that run one after another for a few images at a time.</summary>
    private sealed class Region(Action<int, int, int>[] passes, Action? end, int batch, int parts, int images) : IParallelWork
    {
        public Action? End => end;

        public void Execute(int part)
        {
            int last = batch * (part + 1) / parts;
            for (int first = batch * part / parts; first < last; first += images)
            {
                foreach (Action<int, int, int> pass in passes) pass(part, first, Math.Min(last, first + images));
            }
        }
    }

    private sealed class PrepareWork(IReadOnlyList<TrainingStep> steps) : IParallelWork
    {
        public void Execute(int part) => steps[part].Prepare();
    }

    private sealed class FoldWork(IReadOnlyList<TrainingStep> steps) : IParallelWork
    {
        public void Execute(int part) => steps[part].FoldGradients();
    }
}
