using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Sparsity;

namespace CoInference.Runtime.Tests.Sparsity;

/// <summary>The order in which blocks and single weights go.</summary>
public sealed class UnitEliminationTests
{
    private const int Taps = 9, Outputs = 5, Images = 200;

    // The elimination works in single precision.
    private const double Tolerance = 1e-3;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    public void Importance_is_the_error_that_the_best_refit_leaves(int unitChannels)
    {
        LayerStatistics layer = Statistics();
        double[] covariance = Cholesky.TryFactor([.. layer.Inverse!], Taps)!.Inverse();
        layer.Compact();
        float[] importance = UnitElimination.Importance(layer, unitChannels, WorkerSet.Single)!;
        for (int run = 0; run * unitChannels < Outputs; run++)
        {
            int[] outputs = [.. Enumerable.Range(run * unitChannels, Math.Min(unitChannels, Outputs - (run * unitChannels)))];
            var gone = new List<int>();
            double error = 0, costliest = 0;
            while (gone.Count < Taps)
            {
                (int tap, double after) = Enumerable.Range(0, Taps).Except(gone).Select(candidate => (candidate, Error(layer, covariance, outputs, [.. gone, candidate]))).MinBy(pair => pair.Item2);
                costliest = Math.Max(costliest, after - error);
                Assert.Equal(costliest, importance[(run * Taps) + tap], Tolerance * costliest);
                gone.Add(tap);
                error = after;
            }
        }
    }

    // Each of the first taps is the sum of two later ones: whichever goes first, the others can stand in for it.
    [Theory]
    [InlineData(WeightForm.Unstructured)]
    [InlineData(WeightForm.Block)]
    public void What_others_can_stand_in_for_costs_nothing(WeightForm form)
    {
        const int Channels = 12;
        var builder = new NetworkBuilder(seed: 3, 1, Channels, 1, 1);
        Graph graph = builder.Finish(builder.Gemm(builder.Flatten("x"), Channels, 16));
        var images = new Tensor(ElementType.Float32, new TensorShape(Images, Channels, 1, 1));
        Span<float> values = images.Values<float>();
        var random = new Random(4);
        for (int image = 0; image < Images; image++)
        {
            Span<float> row = values.Slice(image * Channels, Channels);
            for (int channel = Channels / 3; channel < Channels; channel++) row[channel] = random.NextSingle() - 0.5f;
            for (int channel = 0; channel < Channels / 3; channel++) row[channel] = row[Channels / 3 + (2 * channel)] + row[Channels / 3 + (2 * channel) + 1];
        }

        Pruner pruner = Pruner.Create(graph, images, new PrunerOptions { BlockChannels = 8, Refit = new RefitOptions { Ridge = 1e-6 } });
        Graph pruned = pruner.Apply([pruner.Groups(form)[0].Decide(1.0 / 3)]);
        Assert.InRange(NetworkBuilder.RelativeError(NetworkBuilder.Run(graph, images), NetworkBuilder.Run(pruned, images)), 0, 0.01);
    }

    [Theory]
    [InlineData(WeightForm.Unstructured, 0.6)]
    [InlineData(WeightForm.Block, 0.4)]
    public void A_sparsity_is_divided_among_layers(WeightForm form, double sparsity)
    {
        // The third layer's inputs are the outputs of one that has but two inputs of its own: nearly all of it can go.
        var builder = new NetworkBuilder(seed: 6, 1, 16, 1, 1);
        string narrow = builder.Gemm(builder.Gemm(builder.Flatten("x"), 16, 2), 2, 32);
        Graph graph = builder.Finish(builder.Gemm(narrow, 32, 16));
        Tensor images = NetworkBuilder.RandomImages(seed: 7, Images, 16, 1, 1);
        Pruner pruner = Pruner.Create(graph, images, new PrunerOptions { BlockChannels = 8 });
        IReadOnlyList<PrunableGroup> groups = pruner.Groups(form);
        IReadOnlyList<GroupDecision> decisions = pruner.Allocate(form, sparsity)!;
        double[] weights = [.. groups.Select(group => (double)group.Layers[0].Shape.WeightCount)];
        Assert.Equal(sparsity, decisions.Select((decision, i) => decision.Sparsity * weights[i]).Sum() / weights.Sum(), 0.03);
        Assert.True(decisions[2].Sparsity > decisions[0].Sparsity + 0.2, string.Join(", ", decisions.Select(decision => decision.Sparsity)));
    }

    [Fact]
    public void What_cannot_be_divided_is_refused_or_left_to_others()
    {
        var builder = new NetworkBuilder(seed: 6, 1, 16, 1, 1);
        Graph graph = builder.Finish(builder.Gemm(builder.Flatten("x"), 16, 8));
        Pruner blind = Pruner.Create(graph);
        Assert.Null(blind.Allocate(WeightForm.Block, 0.5));
        Assert.Throws<ArgumentException>(() => blind.Allocate(WeightForm.Dense, 0.5));
        Assert.Throws<ArgumentOutOfRangeException>(() => blind.Allocate(WeightForm.Block, 1));
    }

    private static LayerStatistics Statistics()
    {
        var random = new Random(1);
        var images = new CalibrationActivation(new TensorShape(Images, Taps));
        for (int image = 0; image < Images; image++)
        {
            float common = random.NextSingle();
            for (int tap = 0; tap < Taps; tap++) images.Values[(image * Taps) + tap] = ((tap % 3) * common) + (random.NextSingle() * (1 + tap));
        }

        var builder = new NetworkBuilder(seed: 2, 1, Taps, 1, 1);
        Graph graph = builder.Finish(builder.Gemm(builder.Flatten("x"), Taps, Outputs));
        Node node = graph.Nodes.First(candidate => candidate.OpType == "Gemm");
        return new LayerStatistics(LayerWeights.Read(node, graph, new TensorShape(1, Taps))!, [.. Enumerable.Range(0, Images)], images, withInverse: true, WorkerSet.Single);
    }

    /// <summary>Squared output error without some taps, when the others are fitted: wᵀ (C_rr - C_rs C_ss⁻¹ C_sr) w over what is removed.</summary>
    private static double Error(LayerStatistics layer, double[] covariance, int[] outputs, int[] removed)
    {
        int[] left = [.. Enumerable.Range(0, Taps).Except(removed)];
        var inner = new double[left.Length * left.Length];
        for (int i = 0; i < left.Length; i++)
        {
            for (int j = 0; j < left.Length; j++) inner[(i * left.Length) + j] = covariance[(left[i] * Taps) + left[j]];
        }

        Cholesky factor = Cholesky.TryFactor(inner, left.Length)!;
        double error = 0;
        foreach (int output in outputs)
        {
            double[] lost = [.. Enumerable.Range(0, Taps).Select(tap => removed.Sum(gone => covariance[(tap * Taps) + gone] * layer.Weights[(gone * Outputs) + output]))];
            double[] taken = [.. left.Select(tap => lost[tap])];
            factor.Solve(taken, 1);
            error += removed.Sum(gone => layer.Weights[(gone * Outputs) + output] * lost[gone]) - left.Select((tap, i) => lost[tap] * taken[i]).Sum();
        }

        return error;
    }
}
