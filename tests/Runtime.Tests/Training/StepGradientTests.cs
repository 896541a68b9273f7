using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Training;

namespace CoInference.Runtime.Tests.Training;

/// <summary>Outputs against the reference operators, gradients against central differences, one operator at a time.</summary>
public class StepGradientTests
{
    private const int Batch = 3;

    [Theory]
    [InlineData(5, 7, 3, 1, 1, 6, 5, 1)]
    [InlineData(3, 20, 3, 1, 1, 9, 17, 1)]
    [InlineData(17, 33, 3, 2, 1, 6, 6, 1)]
    [InlineData(16, 16, 3, 2, 1, 7, 5, 1)]
    [InlineData(6, 5, 1, 2, 0, 5, 6, 1)]
    [InlineData(6, 40, 1, 1, 0, 4, 4, 1)]
    [InlineData(4, 6, 5, 3, 2, 9, 8, 1)]
    [InlineData(6, 9, 3, 1, 1, 5, 5, 3)]
    [InlineData(19, 19, 3, 1, 1, 5, 7, 19)]
    [InlineData(19, 19, 3, 2, 1, 6, 7, 19)]
    [InlineData(3, 4, 4, 2, 0, 7, 8, 1)]
    [InlineData(16, 16, 3, 1, 1, 8, 12, 1)]
    [InlineData(17, 33, 3, 1, 1, 4, 8, 1)]
    [InlineData(9, 40, 3, 1, 1, 12, 4, 1)]
    public void Convolution(int inputs, int outputs, int kernel, int stride, int pad, int height, int width, int groups)
    {
        var graph = new TrainableGraph(inputs, height, width);
        string y = graph.Node("Conv", [graph.Input, graph.Weights("w", outputs, inputs / groups, kernel, kernel), graph.Weights("b", outputs)],
            ("strides", new long[] { stride, stride }), ("pads", new long[] { pad, pad, pad, pad }), ("group", (long)groups), ("kernel_shape", new long[] { kernel, kernel }));

        // A second convolution in front, so that the gradient of an input is needed; it does not change what is tested.
        Check(graph.Prefixed(y));
    }

    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Under_every_instruction_set(string setting) => InstructionSets.Run(Edge_shapes_on_this_vector_width, setting);

    [Fact]
    public static void Edge_shapes_on_this_vector_width()
    {
        var tests = new StepGradientTests();
        tests.Convolution(17, 33, 3, 2, 1, 6, 6, 1);
        tests.Convolution(19, 19, 3, 2, 1, 6, 7, 19);
        tests.Convolution(6, 9, 3, 1, 1, 5, 5, 3);
        tests.Convolution(17, 18, 3, 1, 1, 8, 4, 1);
        tests.Batch_normalization(true, true);
        tests.Pooling("MaxPool", 3, 2, 1);
        tests.Concatenation_and_the_subsampled_shortcut();
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Batch_normalization(bool adds, bool clamps)
    {
        var graph = new TrainableGraph(5, 4, 6);
        string x = graph.Pointwise("front", graph.Input, 5, 18), z = graph.Pointwise("side", graph.Input, 5, 18);
        string y = graph.Node("BatchNormalization",
            [x, graph.Weights("scale", 18), graph.Weights("shift", 18), graph.Constant("mean", 18, 0.1f), graph.Constant("variance", 18, 1)], ("training_mode", 1L));
        if (adds) y = graph.Node("Add", [y, z]);
        if (clamps) y = graph.Node("Relu", [y]);
        Check(graph.Flattened(y));
    }

    [Theory]
    [InlineData("MaxPool", 3, 2, 1)]
    [InlineData("MaxPool", 2, 2, 0)]
    [InlineData("AveragePool", 3, 2, 1)]
    [InlineData("AveragePool", 2, 1, 0)]
    public void Pooling(string op, int kernel, int stride, int pad)
    {
        var graph = new TrainableGraph(3, 7, 6);
        string x = graph.Pointwise("front", graph.Input, 3, 18);
        string y = graph.Node(op, [x], ("kernel_shape", new long[] { kernel, kernel }), ("strides", new long[] { stride, stride }), ("pads", new long[] { pad, pad, pad, pad }));
        Check(graph.Flattened(y));
    }

    [Fact]
    public void Global_pooling_and_linear()
    {
        var graph = new TrainableGraph(3, 5, 4);
        string x = graph.Node("Flatten", [graph.Node("GlobalAveragePool", [graph.Pointwise("front", graph.Input, 3, 21)])]);
        Check(graph.Ended(graph.Node("Gemm", [x, graph.Weights("w", 10, 21), graph.Weights("b", 10)], ("transB", 1L))));
    }

    [Fact]
    public void Steps_that_only_rearrange_the_image_come_before_anything_trained()
    {
        var pooled = new TrainableGraph(3, 6, 8);
        string small = pooled.Node("AveragePool", [pooled.Input], ("kernel_shape", new long[] { 2, 2 }), ("strides", new long[] { 2, 2 }));
        Check(pooled.Flattened(pooled.Pointwise("conv", pooled.Node("Pad", [small, pooled.Ints("pads", 0, 0, 1, 1, 0, 0, 1, 1)]), 3, 5)));

        var linear = new TrainableGraph(2, 3, 4);
        string pixels = linear.Node("Flatten", [linear.Input], ("axis", 1L));
        Check(linear.Ended(linear.Node("Gemm", [pixels, linear.Weights("w", 10, 24), linear.Weights("b", 10)], ("transB", 1L))));
    }

    [Fact]
    public void Clamps_sums_and_values_read_twice()
    {
        var graph = new TrainableGraph(3, 5, 4);
        graph.Scalars();
        string a = graph.Pointwise("a", graph.Input, 3, 18), b = graph.Node("Clip", [graph.Pointwise("b", a, 18, 18), "low", "high"]);
        string c = graph.Node("Relu", [graph.Node("Add", [b, a])]);
        Check(graph.Flattened(graph.Node("Add", [graph.Pointwise("c", c, 18, 18), c])));
    }

    [Fact]
    public void Concatenation_and_the_subsampled_shortcut()
    {
        var graph = new TrainableGraph(3, 6, 5);
        string a = graph.Pointwise("a", graph.Input, 3, 7), b = graph.Pointwise("b", graph.Input, 3, 14);
        string joined = graph.Node("Concat", [a, b], ("axis", 1L));
        string sliced = graph.Node("Slice", [joined, graph.Ints("starts", 0, 1), graph.Ints("ends", 100, 100), graph.Ints("axes", 2, 3), graph.Ints("steps", 2, 2)]);
        Check(graph.Flattened(graph.Node("Pad", [sliced, graph.Ints("pads", 0, 5, 0, 1, 0, 8, 1, 0)])));
    }

    [Theory]
    [InlineData(2, 2)]
    [InlineData(1, 3)]
    public void Repeated_pixels(int vertical, int horizontal)
    {
        var graph = new TrainableGraph(3, 4, 5);
        graph.Floats("scales", 1, 1, vertical, horizontal);
        string repeated = graph.Node("Resize", [graph.Pointwise("front", graph.Input, 3, 18), "", "scales"],
            ("mode", "nearest"), ("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", "floor"));
        Check(graph.Flattened(repeated));
    }

    [Theory]
    [InlineData("resnet8")]
    [InlineData("mobilenetv2-cifar")]
    [InlineData("vgg11-cifar")]
    public void A_network_computes_what_the_reference_computes(string architecture)
    {
        Graph graph = Architectures.Create(architecture, new ArchitectureInput(3, 16, 16, 10, 3));
        foreach (Node node in graph.Nodes.Where(node => node.OpType == "BatchNormalization")) node.Attributes["training_mode"] = 1L;
        using var network = new TrainingNetwork(graph, Batch, 2);
        float[] images = Values(Batch * 3 * 256, new Random(2)), logits = new float[Batch * 10];
        Load(network, images);
        network.Forward(logits);
        AssertClose(Reference(graph, images), logits, 2e-3);
    }

    [Fact]
    public void Gradients_do_not_depend_on_the_number_of_threads()
    {
        Graph graph = Architectures.Create("resnet8", new ArchitectureInput(3, 16, 16, 10, 3));
        Assert.Equal(Gradients(1), Gradients(3));

        float[] Gradients(int threads)
        {
            using var network = new TrainingNetwork(graph, 16, threads);
            float[] logits = new float[160];
            Load(network, Values(16 * 3 * 256, new Random(2)));
            network.Forward(logits);
            network.Backward(Values(160, new Random(4)));
            return [.. network.Parameters.SelectMany(parameter => parameter.Gradients)];
        }
    }

    /// <summary>Compares the output with the reference operators and every kind of gradient with central differences.</summary>
    /// <remarks>
    /// The loss is a sum of outputs times random coefficients, kept in double. A step of 1e-2 balances float rounding of the
    /// outputs (1e-7 of values of order 1 over the step: 1e-5 each) against curvature, which only normalization has.
    /// Where the quotients to the left and to the right differ, a clamp or maximum has its corner inside the step and
    /// the quotient means nothing; most must not be of that kind.
    /// </remarks>
    private static void Check(Graph graph)
    {
        const float Step = 1e-2f;
        using var network = new TrainingNetwork(graph, Batch, 2);
        (int channels, int height, int width) = network.ImageShape;
        var random = new Random(7);
        float[] images = Values(Batch * channels * height * width, random), logits = new float[Batch * network.Classes];
        float[] coefficients = Values(logits.Length, random);
        Load(network, images);
        network.Forward(logits);
        AssertClose(Reference(graph, images), logits, 2e-4);

        network.Backward(coefficients);
        float[][] gradients = [.. network.Parameters.Select(parameter => parameter.Gradients.ToArray())];
        double at = Loss();
        int tried = 0, smooth = 0;
        for (int p = 0; p < gradients.Length; p++)
        {
            TrainingParameter parameter = network.Parameters[p];
            for (int k = 0; k < Math.Min(30, gradients[p].Length); k++, tried++)
            {
                int i = random.Next(parameter.Values.Length);
                float kept = parameter.Values[i];
                parameter.Values[i] = kept + Step;
                double above = Loss();
                parameter.Values[i] = kept - Step;
                double below = Loss();
                parameter.Values[i] = kept;
                double numeric = (above - below) / (2.0 * Step), bar = 1e-2 * Math.Max(1, Math.Abs(numeric));
                if (Math.Abs(above + below - (2 * at)) / Step > bar) continue;
                smooth++;
                Assert.True(Math.Abs(numeric - gradients[p][i]) <= bar, $"{parameter.Name}[{i}]: {gradients[p][i]}, expected {numeric}");
            }
        }

        Assert.True(tried >= 20 && smooth > tried / 2, $"{smooth} of {tried} quotients mean something");

        double Loss()
        {
            network.Forward(logits);
            double sum = 0;
            for (int i = 0; i < logits.Length; i++) sum += (double)coefficients[i] * logits[i];
            return sum;
        }
    }

    private static float[] Reference(Graph graph, float[] images)
    {
        IReadOnlyList<Dimension> input = graph.Inputs[0].Dimensions!;
        var shape = new TensorShape(Batch, input[1].Size!.Value, input[2].Size!.Value, input[3].Size!.Value);
        return Interpreter.Run(graph, [Tensor.From<float>(shape, images)])[0].Values<float>().ToArray();
    }

    private static void AssertClose(float[] expected, float[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], tolerance * Math.Max(1, Math.Abs(expected[i])));
    }

    private static void Load(TrainingNetwork network, float[] images)
    {
        int size = images.Length / network.Batch;
        for (int i = 0; i < network.Batch; i++) network.SetImage(i, images.AsSpan(i * size, size));
    }

    private static float[] Values(int count, Random random)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (float)((2 * random.NextDouble()) - 1);
        return values;
    }
}
