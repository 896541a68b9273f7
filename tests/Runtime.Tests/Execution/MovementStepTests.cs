using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Tests.Execution;

/// <summary>Steps that move, repeat or interpolate elements: equal to the interpreter, without reference steps.</summary>
public class MovementStepTests
{
    // Interpolation and normalization sum in float32 where the reference sums in double.
    private const float Tolerance = 1e-5f;

    private delegate void Setting(Random random, Graph graph, Node node, TensorShape shape);

    [Fact]
    public void Transpose() => Agree(30, "Transpose", (random, _, node, shape) => node.Attributes["perm"] = Permutation(random, shape.Rank));

    [Fact]
    public void Slice() => Agree(60, "Slice", (random, graph, node, shape) =>
    {
        int count = random.Next(1, shape.Rank + 1);
        long[] axes = Permutation(random, shape.Rank)[..count], starts = new long[count], ends = new long[count], steps = new long[count];
        for (int i = 0; i < count; i++)
        {
            int size = shape[(int)axes[i]], first = random.Next(size), last = random.Next(size);
            bool reverses = random.Next(4) == 0;
            (starts[i], ends[i]) = reverses ? (Math.Max(first, last), Math.Min(first, last) - size - 1) : (Math.Min(first, last), Math.Max(first, last) + 1);
            steps[i] = random.Next(1, 4) * (reverses ? -1 : 1);
            if (random.Next(3) == 0) axes[i] -= shape.Rank;
        }

        foreach ((string name, long[] values) in new[] { ("starts", starts), ("ends", ends), ("axes", axes), ("steps", steps) }) Input(graph, node, name, values);
    });

    [Fact]
    public void Expand() => Agree(30, "Expand", (random, graph, node, shape) =>
    {
        long[] target = [.. Enumerable.Range(0, random.Next(3)).Select(_ => (long)random.Next(1, 4)), .. shape.Dimensions.ToArray().Select(size => size == 1 ? (long)random.Next(1, 5) : size)];
        Input(graph, node, "shape", target);
    });

    [Fact]
    public void Split() => Agree(40, "Split", (random, graph, node, shape) =>
    {
        int axis = random.Next(shape.Rank), left = shape[axis];
        var sizes = new List<long>();
        for (; left > 0; left -= (int)sizes[^1]) sizes.Add(random.Next(1, left + 1));
        node.Attributes["axis"] = (long)(random.Next(2) == 0 ? axis : axis - shape.Rank);
        Input(graph, node, "split", [.. sizes]);
        for (int part = 1; part < sizes.Count; part++)
        {
            node.Outputs.Add($"y{part}");
            graph.Outputs.Add(new ValueInfo($"y{part}", ElementType.Float32, null));
        }
    });

    [Fact]
    public void Concat() => Agree(40, "Concat", (random, graph, node, shape) =>
    {
        int axis = random.Next(shape.Rank);
        node.Attributes["axis"] = (long)axis;
        int[] sizes = shape.Dimensions.ToArray();
        sizes[axis] = random.Next(1, 6);
        graph.Initializers["other"] = Values(random, new TensorShape(sizes));
        node.Inputs.Add("other");
        if (random.Next(2) == 0) node.Inputs.Add("x");
    });

    [Fact]
    public void Resize() => Agree(120, "Resize", (random, graph, node, shape) =>
    {
        node.Inputs.AddRange(["", ""]);
        graph.Initializers["sizes"] = Tensor.From<long>(new TensorShape(shape.Rank), [.. shape.Dimensions.ToArray().Select((size, axis) => axis < 2 ? size : (long)random.Next(1, (3 * size) + 1))]);
        node.Inputs.Add("sizes");
        node.Attributes["mode"] = Pick(random, "nearest", "linear", "cubic");
        node.Attributes["coordinate_transformation_mode"] = Pick(random, "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric");
        node.Attributes["nearest_mode"] = Pick(random, "round_prefer_floor", "round_prefer_ceil", "floor", "ceil");
        node.Attributes["exclude_outside"] = (long)random.Next(2);
        if ((string)node.Attributes["mode"] != "nearest") node.Attributes["antialias"] = (long)random.Next(2);
    });

    [Fact]
    public void Local_response_normalization() => Agree(30, "LRN", (random, _, node, _) =>
    {
        node.Attributes["size"] = (long)random.Next(1, 8);
        node.Attributes["alpha"] = 0.1f + random.NextSingle();
        node.Attributes["beta"] = 0.25f + random.NextSingle();
        node.Attributes["bias"] = 0.5f + random.NextSingle();
    });

    private static void Agree(int seeds, string op, Setting set)
    {
        for (int seed = 0; seed < seeds; seed++)
        {
            var random = new Random(seed);
            var shape = new TensorShape([.. Enumerable.Range(0, op is "Resize" or "LRN" ? 4 : random.Next(1, 6)).Select(_ => random.Next(1, 9))]);
            var graph = new Graph { Name = op, Opset = 19 };
            graph.Inputs.Add(new ValueInfo("x", ElementType.Float32, [.. shape.Dimensions.ToArray().Select(size => new Dimension(size))]));
            var node = new Node { Name = op, OpType = op };
            node.Inputs.Add("x");
            node.Outputs.Add("y");
            graph.Nodes.Add(node);
            graph.Outputs.Add(new ValueInfo("y", ElementType.Float32, null));
            set(random, graph, node, shape);
            Check(graph, Values(random, shape), $"seed {seed}, {shape}");
        }
    }

    private static void Check(Graph graph, Tensor input, string what)
    {
        IReadOnlyList<Tensor> expected = Interpreter.Run(graph, [input]);
        using Session session = Session.Create(graph, new SessionOptions { Threads = 2, SharesSmallGraphs = true });
        Assert.DoesNotContain(session.Steps, step => step.Kernel == "reference");
        session.PoisonArena();
        IReadOnlyList<Tensor> actual = session.Run([input]);
        Assert.Equal(expected.Count, actual.Count);
        for (int i = 0; i < expected.Count; i++)
        {
            Assert.Equal(expected[i].Shape, actual[i].Shape);
            for (int k = 0; k < expected[i].Count; k++)
            {
                float wanted = expected[i].Values<float>()[k], got = actual[i].Values<float>()[k];
                Assert.True(Math.Abs(wanted - got) <= Tolerance * Math.Max(1, Math.Abs(wanted)), $"{what}: output {i}, element {k} is {got}, expected {wanted}");
            }
        }
    }

    [Fact]
    public void Steady_runs_allocate_nothing()
    {
        var graph = new Graph { Name = "movements", Opset = 19 };
        graph.Inputs.Add(new ValueInfo("x", ElementType.Float32, [new Dimension(1), new Dimension(6), new Dimension(5), new Dimension(7)]));
        Node Add(string op, string output)
        {
            var node = new Node { Name = output, OpType = op };
            node.Inputs.Add(graph.Nodes.Count == 0 ? "x" : graph.Nodes[^1].Outputs[0]);
            node.Outputs.Add(output);
            graph.Nodes.Add(node);
            return node;
        }

        Add("LRN", "normalized").Attributes["size"] = 3L;
        Node resize = Add("Resize", "resized");
        graph.Initializers["scales"] = Tensor.From<float>(new TensorShape(4), [1, 1, 2, 2]);
        resize.Inputs.AddRange(["", "scales"]);
        resize.Attributes["mode"] = "linear";
        Node split = Add("Split", "part");
        split.Outputs.Add("rest");
        split.Attributes["axis"] = 2L;
        Input(graph, split, "sizes", [4, 6]);
        Node concat = Add("Concat", "joined");
        concat.Inputs.Add("rest");
        concat.Attributes["axis"] = 2L;
        Add("Transpose", "transposed").Attributes["perm"] = new long[] { 0, 2, 3, 1 };
        graph.Initializers["s"] = Tensor.Scalar(0.01f);
        Add("QuantizeLinear", "bytes").Inputs.Add("s");
        Add("DequantizeLinear", "y").Inputs.Add("s");
        graph.Outputs.Add(new ValueInfo("y", ElementType.Float32, null));
        using Session session = Session.Create(graph);
        Assert.DoesNotContain(session.Steps, step => step.Kernel == "reference");
        float[] input = Values(new Random(1), new TensorShape(1, 6, 5, 7)).Values<float>().ToArray(), output = new float[4 * input.Length];
        Assert.Equal(0, SteadyState.AllocatedBytes(() => session.Run(input, output)));
    }

    private static void Input(Graph graph, Node node, string name, long[] values)
    {
        graph.Initializers[name] = Tensor.From<long>(new TensorShape(values.Length), values);
        node.Inputs.Add(name);
    }

    private static Tensor Values(Random random, TensorShape shape)
    {
        var values = new float[shape.Count];
        for (int i = 0; i < values.Length; i++) values[i] = (float)((2 * random.NextDouble()) - 1);
        return Tensor.From<float>(shape, values);
    }

    private static long[] Permutation(Random random, int count)
    {
        long[] order = [.. Enumerable.Range(0, count).Select(axis => (long)axis)];
        random.Shuffle(order);
        return order;
    }

    private static string Pick(Random random, params string[] names) => names[random.Next(names.Length)];
}
