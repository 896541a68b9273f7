using System.Diagnostics;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Tests.Execution;

/// <summary>What a session promises apart from the numbers: descriptions, standalone steps, batches and clear refusals.</summary>
public class SessionTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Describing_gives_the_steps_of_the_session(int batch)
    {
        for (int seed = 0; seed < 20; seed++)
        {
            (Graph graph, _) = RandomGraph.Create(seed, batch);
            var options = new SessionOptions { BatchSize = batch };
            using Session session = Session.Create(graph, options);
            Assert.Equal(session.Steps, Session.Describe(graph, options));
        }
    }

    [Fact]
    public void Every_step_runs_alone()
    {
        for (int seed = 0; seed < 30; seed++)
        {
            (Graph graph, _) = RandomGraph.Create(seed, 2);
            foreach (StepSpec spec in Session.Describe(graph, new SessionOptions { BatchSize = 2 }))
            {
                using StandaloneStep step = StandaloneStep.Create(spec);
                step.Run();
                step.Run();
                Assert.Equal(spec, step.Spec);
            }
        }
    }

    [Fact]
    public void Keys_tell_steps_apart_that_differ_in_anything_but_their_name()
    {
        string Key(int outputs, int batch, int threads, Action<Graph>? change = null) => Layer(8, outputs, batch, threads, change).Key;

        string[] keys = [Key(16, 1, 1), Key(32, 1, 1), Key(16, 2, 1), Key(16, 1, 2), Key(16, 1, 1, AddRelu)];
        Assert.Equal(keys.Length, keys.Distinct().Count());
        Assert.Equal(keys[0], Key(16, 1, 1, graph => graph.Nodes[0].Name = "another"));
    }

    [Fact]
    public void A_graph_of_little_work_stays_on_one_thread()
    {
        Assert.Equal(Layer(8, 16, 1, threads: 1, shares: false).Key, Layer(8, 16, 1, threads: 2, shares: false).Key);
        Assert.NotEqual(Layer(64, 16, 1, threads: 1, shares: false).Key, Layer(64, 16, 1, threads: 2, shares: false).Key);
        Graph graph = LayerGraph.Create(16, 16, 3, 8);
        using var workers = new WorkerSet(2);
        using var others = new WorkerSet(3);
        using Session session = Session.Create(graph, new SessionOptions { Workers = workers, Chooser = KernelChooser.Analytic });
        using Session fork = session.Fork(workers);
        Assert.Equal(session.Steps, fork.Steps);
        Assert.Throws<ArgumentException>(() => session.Fork(others));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void Threads_that_share_the_copies_of_large_values_copy_all_of_them(int threads)
    {
        Graph graph = LayerGraph.Create(16, 16, 1, 81);
        float[] Run(int count)
        {
            using Session session = Session.Create(graph, new SessionOptions { Threads = count, SharesSmallGraphs = true, Chooser = KernelChooser.Analytic });
            session.PoisonArena();
            var random = new Random(5);
            var input = new float[session.Inputs[0].Shape!.Value.Count];
            for (int i = 0; i < input.Length; i++) input[i] = random.NextSingle() - 0.5f;
            var output = new float[session.Outputs[0].Shape!.Value.Count];
            session.Run(input, output);
            return output;
        }

        Assert.Equal(Run(1), Run(threads));
    }

    [SkippableFact]
    public void Describing_a_canonical_network_is_cheap()
    {
        Graph graph = GraphSimplifier.Simplify(new GoldenModel("resnet56", 1).Graph);
        double best = double.PositiveInfinity;
        for (int i = 0; i < 300; i++)
        {
            long started = Stopwatch.GetTimestamp();
            Session.Describe(graph);
            best = Math.Min(best, Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }

        // A search describes thousands of networks. The bound is several times what a quiet machine needs.
        Assert.InRange(best, 0, 3);
    }

    [Fact]
    public void Spec_of_no_planner_cannot_be_built()
    {
        var spec = new StepSpec { Node = "n", Op = "Conv", Kernel = "k", Key = "key" };
        Assert.Contains("no session planned it", Assert.Throws<ArgumentException>(() => StandaloneStep.Create(spec)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reference_session_gives_what_the_interpreter_gives()
    {
        (Graph graph, Tensor input) = RandomGraph.Create(7, 1);
        using Session session = Session.Create(graph, new SessionOptions { Reference = true });
        Assert.All(session.Steps.Where(step => step.Kernel != "view"), step => Assert.Equal("reference", step.Kernel));
        IReadOnlyList<Tensor> expected = Interpreter.Run(graph, [input]);
        IReadOnlyList<Tensor> actual = session.Run([input]);
        for (int i = 0; i < expected.Count; i++)
        {
            // The session simplifies first, which moves constants around before they are rounded.
            float[] e = expected[i].Values<float>().ToArray();
            float[] a = actual[i].Values<float>().ToArray();
            for (int k = 0; k < e.Length; k++) Assert.InRange(a[k], e[k] - (1e-4f * (1 + Math.Abs(e[k]))), e[k] + (1e-4f * (1 + Math.Abs(e[k]))));
        }
    }

    [Fact]
    public void A_graph_whose_shapes_depend_on_data_runs_in_the_interpreter()
    {
        var graph = new Graph { Name = "expand" };
        graph.Inputs.Add(new ValueInfo("x", ElementType.Float32, [new Dimension(1), new Dimension(2)]));
        graph.Inputs.Add(new ValueInfo("shape", ElementType.Int64, [new Dimension(2)]));
        graph.Outputs.Add(new ValueInfo("y", ElementType.Float32, null));
        var node = new Node { Name = "expand", OpType = "Expand" };
        node.Inputs.AddRange(["x", "shape"]);
        node.Outputs.Add("y");
        graph.Nodes.Add(node);
        using Session session = Session.Create(graph);
        Assert.Equal("interpreter", Assert.Single(session.Steps).Kernel);
        Assert.Null(session.Outputs[0].Shape);
        Tensor result = session.Run([Tensor.From<float>(new TensorShape(1, 2), [1, 2]), Tensor.From<long>(new TensorShape(2), [3, 2])])[0];
        Assert.Equal(new TensorShape(3, 2), result.Shape);
        Assert.Equal([1, 2, 1, 2, 1, 2], result.Values<float>().ToArray());
    }

    [Fact]
    public void A_batch_must_fit_the_graph()
    {
        Graph fixedAtTwo = LayerGraph.Create(4, 4, 1, 3);
        fixedAtTwo.Inputs[0] = fixedAtTwo.Inputs[0] with { Dimensions = [new Dimension(2), .. fixedAtTwo.Inputs[0].Dimensions!.Skip(1)] };
        string message = Assert.Throws<ArgumentException>(() => Session.Create(fixedAtTwo, new SessionOptions { BatchSize = 3 })).Message;
        Assert.Contains("fixed batch of 2", message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => Session.Create(fixedAtTwo, new SessionOptions { BatchSize = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => Session.Create(fixedAtTwo, new SessionOptions { Threads = 0 }));
    }

    [Fact]
    public void Wrong_inputs_are_named()
    {
        using Session session = Session.Create(LayerGraph.Create(4, 4, 1, 3));
        Assert.Contains("'x'", Assert.Throws<ArgumentException>(() => session.Run(new float[35], new float[36])).Message, StringComparison.Ordinal);
        Assert.Contains("'y'", Assert.Throws<ArgumentException>(() => session.Run(new float[36], new float[37])).Message, StringComparison.Ordinal);
        Assert.Contains("takes 1 inputs, not 2", Assert.Throws<ArgumentException>(() => session.Run([Tensor.Scalar(1f), Tensor.Scalar(1f)])).Message, StringComparison.Ordinal);
        Assert.Contains("[1, 4, 3, 3]", Assert.Throws<ArgumentException>(() => session.Run([Tensor.Scalar(1f)])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => session.RunTimed(new float[36], new float[36], new long[session.Steps.Count + 1]));
    }

    private static void AddRelu(Graph graph)
    {
        graph.Nodes[0].Outputs[0] = "sum";
        var relu = new Node { Name = "relu", OpType = "Relu" };
        relu.Inputs.Add("sum");
        relu.Outputs.Add("y");
        graph.Nodes.Add(relu);
    }

    private static StepSpec Layer(int size, int outputs, int batch, int threads, Action<Graph>? change = null, bool shares = true)
    {
        Graph graph = LayerGraph.Create(16, outputs, 3, size);
        change?.Invoke(graph);
        using var workers = new WorkerSet(threads);
        return Session.Describe(graph, new SessionOptions { BatchSize = batch, Workers = workers, Chooser = KernelChooser.Analytic, SharesSmallGraphs = shares }).Single(step => step.Conv is not null);
    }
}
