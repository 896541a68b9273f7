using CoInference.Kernels.Gpu;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Tests.Execution;

/// <summary>Products of two computed matrices and of stacks of them, on the CPU and on devices.</summary>
[Collection("devices")]
public sealed class MatrixProductTests
{
    // Both sides round to float32; the reference sums in double.
    private const double Tolerance = 1e-5;

    public static TheoryData<string, int[], int[]> Stacks => new()
    {
        { "matrices", [7, 33], [33, 20] },
        { "one row", [1, 65], [65, 130] },
        { "equal stacks", [2, 3, 9, 16], [2, 3, 16, 12] },
        { "one B", [4, 5, 6], [6, 8] },
        { "one A", [5, 6], [3, 6, 8] },
        { "Bs that repeat", [2, 3, 4, 5], [3, 5, 6] },
        { "As that repeat", [1, 3, 4, 5], [2, 3, 5, 6] },
    };

    [Theory]
    [MemberData(nameof(Stacks))]
    public void Stacks_agree_with_the_interpreter(string name, int[] left, int[] right) => Check(name, MatMul(left, right), null, hasReference: false);

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void Stacks_stay_on_devices(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        foreach (object[] stack in Stacks) Check((string)stack[0], MatMul((int[])stack[1], (int[])stack[2]), device, hasReference: false);
    }

    // A stack along an axis before one along which it is repeated is left to the reference.
    [Fact]
    public void Other_stacks_agree_too() => Check("crossed", MatMul([2, 1, 4, 5], [1, 3, 5, 6]), null, hasReference: true);

    [Fact]
    public static void Gemms_agree_with_the_interpreter()
    {
        for (int seed = 0; seed < 40; seed++) Check($"seed {seed}", Gemm(new Random(seed)), null, hasReference: false);
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void Gemms_stay_on_devices(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        for (int seed = 0; seed < 12; seed++) Check($"seed {seed}", Gemm(new Random(seed)), device, hasReference: false);
    }

    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Gemms_agree_under_every_instruction_set(string setting) => InstructionSets.Run(Gemms_agree_with_the_interpreter, setting);

    private static void Check(string name, Graph graph, ComputeDevice? device, bool hasReference)
    {
        Tensor[] inputs = [.. graph.Inputs.Select((input, i) => Values(i, [.. input.Dimensions!.Select(size => size.Size!.Value)]))];
        Tensor expected = Interpreter.Run(graph, inputs)[0];
        using Session session = Session.Create(graph, new SessionOptions { Threads = 2, Device = device, Strict = device is not null });
        Assert.Equal(hasReference, session.Steps.Any(step => step.Kernel == "reference"));
        if (device is null) session.PoisonArena();
        Tensor actual = session.Run(inputs)[0];
        Assert.Equal(expected.Shape, actual.Shape);
        ReadOnlySpan<float> x = expected.Values<float>(), y = actual.Values<float>();
        double largest = 0, difference = 0;
        for (int i = 0; i < x.Length; i++) (largest, difference) = (Math.Max(largest, Math.Abs(x[i])), Math.Max(difference, Math.Abs(x[i] - y[i])));
        Assert.True(difference <= Tolerance * largest, $"{name}: {difference} of {largest}");
    }

    private static Graph MatMul(int[] left, int[] right) => Create("MatMul", [left, right]).Graph;

    private static Graph Gemm(Random random)
    {
        int rows = random.Next(1, 40), columns = random.Next(1, 40), depth = random.Next(1, 70);
        bool transposeA = random.Next(2) == 0, transposeB = random.Next(2) == 0;
        int[]? bias = random.Next(5) switch
        {
            0 => null,
            1 => [columns],
            2 => [1, columns],
            3 => [rows, 1],
            _ => [rows, columns],
        };
        int[] a = transposeA ? [depth, rows] : [rows, depth], b = transposeB ? [columns, depth] : [depth, columns];
        (Graph graph, Node node) = Create("Gemm", bias is null ? [a, b] : [a, b, bias]);
        node.Attributes["transA"] = transposeA ? 1L : 0L;
        node.Attributes["transB"] = transposeB ? 1L : 0L;
        if (random.Next(2) == 0) (node.Attributes["alpha"], node.Attributes["beta"]) = (0.5f, -1.5f);
        return graph;
    }

    private static (Graph Graph, Node Node) Create(string op, int[][] shapes)
    {
        var graph = new Graph { Name = op };
        var node = new Node { Name = op, OpType = op };
        foreach (int[] shape in shapes)
        {
            string name = $"x{graph.Inputs.Count}";
            graph.Inputs.Add(new ValueInfo(name, ElementType.Float32, [.. shape.Select(size => new Dimension(size))]));
            node.Inputs.Add(name);
        }

        node.Outputs.Add("y");
        graph.Nodes.Add(node);
        graph.Outputs.Add(new ValueInfo("y", ElementType.Float32, null));
        return (graph, node);
    }

    private static Tensor Values(int seed, int[] shape)
    {
        var tensor = new Tensor(ElementType.Float32, new TensorShape(shape));
        var random = new Random(seed);
        foreach (ref float value in tensor.Values<float>()) value = random.NextSingle() - 0.5f;
        return tensor;
    }
}
