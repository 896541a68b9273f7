using System.Diagnostics;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using Xunit.Abstractions;

namespace CoInference.Runtime.Tests.Onnx;

/// <summary>Damaged model files end in a clear error or run; they never crash, hang or take much memory.</summary>
public class FuzzTests(ITestOutputHelper output)
{
    // What one damaged model may allocate in all, freed or not: far above what these models need, below the bar of 1 GiB.
    private const long MaxAllocatedBytes = 1L << 29;

    // Well above the longest run on a busy machine; a hang is what this finds.
    private static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(20);

    private static readonly ExecutionLimits Limits = new() { MaxTensorElements = 1 << 18, MaxLiveBytes = 1 << 24 };

    [Fact]
    public void Two_thousand_mutations_end_in_a_clear_error_or_run() => Fuzz(seed: 1, mutations: 2_000, SharedGraphs());

    [Fact]
    [Trait("Category", "Slow")]
    public void Ten_thousand_mutations_end_in_a_clear_error_or_run() => Fuzz(seed: 2, mutations: 10_000, [.. SharedGraphs(), .. SharedNetwork()]);

    private void Fuzz(int seed, int mutations, IEnumerable<byte[]> shared)
    {
        byte[][] generated = SmallModels.All().Select(OnnxModel.Serialize).ToArray();
        byte[][] models = [.. generated, .. shared.Where(IsUsable)];
        Assert.All(generated, Use);
        var mutator = new ModelMutator(models, seed);
        int ran = 0;
        for (int i = 0; i < mutations; i++)
        {
            byte[] model = mutator.Next();
            long allocated = GC.GetAllocatedBytesForCurrentThread();
            long start = Stopwatch.GetTimestamp();
            try
            {
                Use(model);
                ran++;
            }
            catch (Exception error) when (error is InvalidDataException or NotSupportedException or ArgumentException)
            {
                Assert.False(string.IsNullOrWhiteSpace(error.Message));
            }
            catch (Exception error)
            {
                Assert.Fail($"Seed {seed}, mutation {i}: {error}");
            }

            allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
            Assert.True(allocated < MaxAllocatedBytes, $"Seed {seed}, mutation {i} allocated {allocated} bytes.");
            Assert.True(Stopwatch.GetElapsedTime(start) < MaxTime, $"Seed {seed}, mutation {i} took {Stopwatch.GetElapsedTime(start)}.");
        }

        output.WriteLine($"{ran} of {mutations} damaged models still ran; the rest were refused.");
        Assert.InRange(ran, mutations / 10, mutations);
    }

    private static void Use(byte[] model)
    {
        Graph graph = OnnxModel.Parse(model);
        ShapeInference.Infer(graph);
        Graph simplified = GraphSimplifier.Simplify(graph);
        OnnxModel.Parse(OnnxModel.Serialize(simplified));
        Tensor[] inputs = graph.Inputs.Select(Sample).ToArray();
        Interpreter.Run(graph, inputs, Limits);
        Interpreter.Run(simplified, inputs, Limits);
        using var session = Session.Create(graph, new SessionOptions { BatchSize = Math.Max(1, inputs.Length == 0 || inputs[0].Shape.Rank == 0 ? 1 : inputs[0].Shape[0]) });
        session.Run(inputs);
    }

    private static Tensor Sample(ValueInfo input)
    {
        int[] sizes = (input.Dimensions ?? []).Select(dimension => dimension.Size ?? 2).ToArray();
        long count = 1;
        foreach (int size in sizes) count = Math.Min(count * size, int.MaxValue);
        if (count > Limits.MaxTensorElements) throw new NotSupportedException("The input is larger than this test feeds.");
        var tensor = new Tensor(input.Type, new TensorShape(sizes));
        for (int i = 0; i < tensor.Count; i++)
        {
            if (input.Type == ElementType.Float32) tensor.Values<float>()[i] = MathF.Sin(i);
            else if (input.Type == ElementType.Int64) tensor.Values<long>()[i] = 1;
        }

        return tensor;
    }

    private static bool IsUsable(byte[] model)
    {
        try
        {
            Use(model);
            return true;
        }
        catch (NotSupportedException)
        {
            return false;
        }
    }

    // Upstream's small graphs where the shared data is there; the generated models alone are a complete test.
    private static IEnumerable<byte[]> SharedGraphs()
    {
        string folder = Path.Combine(TestData.SharedData, "onnx-node-tests", "simple");
        return Directory.Exists(folder)
            ? Directory.GetFiles(folder, "model.onnx", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)
            : [];
    }

    private static IEnumerable<byte[]> SharedNetwork()
    {
        string path = Path.Combine(TestData.SharedData, "models", "resnet8_cifar10.onnx");
        return File.Exists(path) ? [File.ReadAllBytes(path)] : [];
    }
}
