using CoInference.Kernels.Gpu;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Tests.Execution;

/// <summary>Layers of 8-bit integers: every sum must equal the reference exactly, at the extremes of the types too.</summary>
[Collection("devices")]
public class IntegerLayerTests
{
    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Sums_are_exact_under_every_instruction_set(string setting) => InstructionSets.Run(Sums_are_exact, setting);

    [Fact]
    public static void Sums_are_exact() => AgreeWithTheInterpreter(80, random => random.Next(4) == 0 ? MatrixProduct(random) : Convolution(random));

    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Requantized_layers_are_exact_under_every_instruction_set(string setting) => InstructionSets.Run(Requantized_layers_are_exact, setting);

    [Fact]
    public static void Requantized_layers_are_exact() => AgreeWithTheInterpreter(60, QuantizedConvolution);

    [Fact]
    public static void Requantized_matrix_products_are_exact() => AgreeWithTheInterpreter(30, QuantizedMatrixProduct);

    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Conversions_are_exact_under_every_instruction_set(string setting) => InstructionSets.Run(Conversions_are_exact, setting);

    [Fact]
    public static void Conversions_are_exact() => AgreeWithTheInterpreter(60, Conversion);

    [SkippableFact]
    public void The_quantized_network_matches_and_has_no_reference_steps()
    {
        var model = new GoldenModel("mobilenetv2_int8", 2);
        using Session session = Session.Create(model.Graph);
        Assert.DoesNotContain(session.Steps, step => step.Kernel == "reference");
        var output = new float[model.Classes];
        for (int image = 0; image < 2; image++)
        {
            session.Run(model.Image(image), output);
            // Integer sums are exact and scales are computed in the same float32 steps, so a rounding flip is the only difference possible.
            Assert.InRange(model.RelativeError(image, output), 0, 1e-4);
        }
    }

    [SkippableFact]
    [Trait("Category", "Slow")]
    public void The_quantized_network_matches_on_every_golden_image()
    {
        var model = new GoldenModel("mobilenetv2_int8", 20);
        using Session session = Session.Create(model.Graph);
        var output = new float[model.Classes];
        for (int image = 0; image < 20; image++)
        {
            session.Run(model.Image(image), output);
            Assert.InRange(model.RelativeError(image, output), 0, 1e-4);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void Layers_and_conversions_are_exact_on_devices(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        foreach (Func<Random, (Graph Graph, Tensor Input)> layer in new[] { Convolution, QuantizedConvolution, MatrixProduct, QuantizedMatrixProduct, Conversion })
            AgreeWithTheInterpreter(12, layer, device);
    }

    [SkippableTheory]
    [MemberData(nameof(RealDevices.All), MemberType = typeof(RealDevices))]
    public void The_quantized_network_stays_on_the_device(string deviceId)
    {
        ComputeDevice device = RealDevices.Get(deviceId);
        var model = new GoldenModel("mobilenetv2_int8", 2);
        using Session session = Session.Create(model.Graph, new SessionOptions { Device = device, Strict = true, Chooser = KernelChooser.Analytic });
        Assert.All(session.Steps, step => Assert.Equal(deviceId, step.Device));
        var output = new float[model.Classes];
        for (int image = 0; image < 2; image++)
        {
            session.Run(model.Image(image), output);
            Assert.InRange(model.RelativeError(image, output), 0, 1e-4);
        }
    }

    private static void AgreeWithTheInterpreter(int seeds, Func<Random, (Graph Graph, Tensor Input)> layer, ComputeDevice? device = null)
    {
        for (int seed = 0; seed < seeds; seed++)
        {
            (Graph graph, Tensor input) = layer(new Random(seed));
            Tensor expected = Interpreter.Run(graph, [input])[0];
            using Session session = Session.Create(graph, new SessionOptions { Threads = 1 + (seed % 2), Device = device });
            Assert.DoesNotContain(session.Steps, step => step.Kernel == "reference");
            if (device is not null && FitsDevices(graph)) Assert.All(session.Steps, step => Assert.Equal(device.Description.Id, step.Device));
            session.PoisonArena();
            Tensor actual = session.Run([input])[0];
            Assert.Equal(expected.Type, actual.Type);
            Assert.True(expected.Bytes.SequenceEqual(actual.Bytes), $"seed {seed}: {string.Join(", ", session.Steps)}");
        }
    }

    // Kernels of devices take weights that are signed bytes, less their zero point too.
    private static bool FitsDevices(Graph graph) => !graph.Initializers.ContainsKey("w") || (graph.Initializers["w"].Type == ElementType.Int8 && !graph.Initializers.ContainsKey("wz"));

    private static (Graph Graph, Tensor Input) Convolution(Random random)
    {
        int groups = random.Next(3) == 0 ? random.Next(2, 6) : 1;
        int inputs = groups * (random.Next(2) == 0 ? 1 : random.Next(1, random.Next(8) == 0 ? 90 : 12));
        int outputs = groups * random.Next(1, random.Next(2) == 0 ? 10 : 45);
        int size = random.Next(4, random.Next(4) == 0 ? 30 : 12);
        int kernel = random.Next(1, 4);
        var shape = new TensorShape(random.Next(1, 3), inputs, size, size + random.Next(4));
        var graph = new Graph { Name = "integer" };
        Node node = Add(graph, random, "ConvInteger", shape, new TensorShape(outputs, inputs / groups, kernel, kernel), outputs);
        node.Attributes["group"] = (long)groups;
        node.Attributes["strides"] = new long[] { random.Next(1, 3), random.Next(1, 3) };
        node.Attributes["pads"] = new long[] { random.Next(3), random.Next(3), random.Next(3), random.Next(3) };
        if (kernel > 1 && size > 5) node.Attributes["dilations"] = new long[] { random.Next(1, 3), 1 };
        return (graph, Values(random, graph.Inputs[0].Type, shape));
    }

    private static (Graph Graph, Tensor Input) QuantizedConvolution(Random random)
    {
        int groups = random.Next(3) == 0 ? random.Next(2, 6) : 1;
        int inputs = groups * random.Next(1, 20), outputs = groups * random.Next(1, 40), kernel = random.Next(1, 4), size = random.Next(4, 20);
        ElementType inputType = random.Next(2) == 0 ? ElementType.UInt8 : ElementType.Int8;
        ElementType weightType = random.Next(3) == 0 ? ElementType.UInt8 : ElementType.Int8;
        ElementType outputType = random.Next(2) == 0 ? ElementType.UInt8 : ElementType.Int8;
        var shape = new TensorShape(random.Next(1, 3), inputs, size, size + random.Next(4));
        var graph = new Graph { Name = "quantized" };
        graph.Inputs.Add(new ValueInfo("x", inputType, [.. shape.Dimensions.ToArray().Select(length => new Dimension(length))]));
        bool perChannel = random.Next(2) == 0;
        var scales = new float[perChannel ? outputs : 1];
        for (int i = 0; i < scales.Length; i++) scales[i] = 0.002f + (0.01f * random.NextSingle());
        graph.Initializers["xs"] = Tensor.Scalar(0.02f);
        graph.Initializers["xz"] = Values(random, inputType, new TensorShape());
        graph.Initializers["w"] = Values(random, weightType, new TensorShape(outputs, inputs / groups, kernel, kernel));
        graph.Initializers["ws"] = perChannel ? Tensor.From<float>(new TensorShape(outputs), scales) : Tensor.Scalar(scales[0]);
        graph.Initializers["wz"] = Values(random, weightType, perChannel ? new TensorShape(outputs) : new TensorShape());
        graph.Initializers["ys"] = Tensor.Scalar(0.05f + random.NextSingle());
        graph.Initializers["yz"] = Values(random, outputType, new TensorShape());
        var node = new Node { Name = "layer", OpType = "QLinearConv" };
        node.Inputs.AddRange(["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]);
        if (random.Next(2) == 0)
        {
            graph.Initializers["b"] = Tensor.From<int>(new TensorShape(outputs), [.. Enumerable.Range(0, outputs).Select(_ => random.Next(-50_000, 50_000))]);
            node.Inputs.Add("b");
        }

        node.Outputs.Add("y");
        node.Attributes["group"] = (long)groups;
        node.Attributes["strides"] = new long[] { random.Next(1, 3), random.Next(1, 3) };
        node.Attributes["pads"] = new long[] { random.Next(2), random.Next(2), random.Next(2), random.Next(2) };
        graph.Nodes.Add(node);
        graph.Outputs.Add(new ValueInfo("y", outputType, null));
        return (graph, Values(random, inputType, shape));
    }

    private static (Graph Graph, Tensor Input) QuantizedMatrixProduct(Random random)
    {
        int rows = random.Next(1, 5), taps = random.Next(1, 400), outputs = random.Next(1, 40);
        ElementType input = random.Next(2) == 0 ? ElementType.UInt8 : ElementType.Int8, output = random.Next(2) == 0 ? ElementType.UInt8 : ElementType.Int8;
        var graph = new Graph { Name = "quantized" };
        graph.Inputs.Add(new ValueInfo("x", input, [new Dimension(rows), new Dimension(taps)]));
        graph.Initializers["xs"] = Tensor.Scalar(0.02f);
        graph.Initializers["xz"] = Values(random, input, new TensorShape());
        graph.Initializers["w"] = Values(random, ElementType.Int8, new TensorShape(taps, outputs));
        graph.Initializers["ws"] = Tensor.Scalar(0.003f + (0.01f * random.NextSingle()));
        graph.Initializers["wz"] = Values(random, ElementType.Int8, new TensorShape());
        graph.Initializers["ys"] = Tensor.Scalar(0.05f + random.NextSingle());
        graph.Initializers["yz"] = Values(random, output, new TensorShape());
        var node = new Node { Name = "product", OpType = "QLinearMatMul" };
        node.Inputs.AddRange(["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]);
        node.Outputs.Add("y");
        graph.Nodes.Add(node);
        graph.Outputs.Add(new ValueInfo("y", output, null));
        return (graph, Values(random, input, new TensorShape(rows, taps)));
    }

    /// <summary>QuantizeLinear or DequantizeLinear, per tensor or per index of an axis, with and without a zero point.</summary>
    private static (Graph Graph, Tensor Input) Conversion(Random random)
    {
        var shape = new TensorShape(random.Next(1, 4), random.Next(1, 9), random.Next(1, 40), random.Next(1, 5));
        ElementType type = random.Next(2) == 0 ? ElementType.UInt8 : ElementType.Int8;
        bool quantizes = random.Next(2) == 0, hasZeroPoint = type == ElementType.Int8 || random.Next(2) == 0;
        int axis = random.Next(-4, 4), scales = random.Next(2) == 0 ? 1 : shape[axis < 0 ? axis + 4 : axis];
        TensorShape scaleShape = scales == 1 ? new TensorShape() : new TensorShape(scales);
        var graph = new Graph { Name = "conversion" };
        graph.Inputs.Add(new ValueInfo("x", quantizes ? ElementType.Float32 : type, [.. shape.Dimensions.ToArray().Select(length => new Dimension(length))]));
        graph.Initializers["s"] = Tensor.From<float>(scaleShape, [.. Enumerable.Range(0, scales).Select(_ => 0.01f + random.NextSingle())]);
        graph.Initializers["z"] = Values(random, type, scaleShape);
        var node = new Node { Name = "conversion", OpType = quantizes ? "QuantizeLinear" : "DequantizeLinear" };
        node.Inputs.AddRange(hasZeroPoint ? ["x", "s", "z"] : ["x", "s"]);
        node.Attributes["axis"] = (long)axis;
        node.Outputs.Add("y");
        graph.Nodes.Add(node);
        graph.Outputs.Add(new ValueInfo("y", quantizes ? type : ElementType.Float32, null));
        if (!quantizes) return (graph, Values(random, type, shape));
        var values = new float[shape.Count];
        // Multiples of a half scale hit the rounding ties; the widest lie outside every range.
        for (int i = 0; i < values.Length; i++) values[i] = random.Next(4) == 0 ? 0.5f * random.Next(-40, 40) * graph.Initializers["s"].Values<float>()[0] : (random.NextSingle() - 0.5f) * 600;
        return (graph, Tensor.From<float>(shape, values));
    }

    private static (Graph Graph, Tensor Input) MatrixProduct(Random random)
    {
        int taps = random.Next(1, 700);
        int outputs = random.Next(1, 40);
        var shape = new TensorShape(random.Next(1, 5), taps);
        var graph = new Graph { Name = "integer" };
        Add(graph, random, "MatMulInteger", shape, new TensorShape(taps, outputs), outputs);
        return (graph, Values(random, graph.Inputs[0].Type, shape));
    }

    private static Node Add(Graph graph, Random random, string op, TensorShape input, TensorShape weights, int outputs)
    {
        ElementType inputType = random.Next(2) == 0 ? ElementType.UInt8 : ElementType.Int8;
        ElementType weightType = random.Next(2) == 0 ? ElementType.UInt8 : ElementType.Int8;
        graph.Inputs.Add(new ValueInfo("x", inputType, [.. input.Dimensions.ToArray().Select(size => new Dimension(size))]));
        graph.Initializers["w"] = Values(random, weightType, weights);
        var node = new Node { Name = op, OpType = op };
        node.Inputs.AddRange(["x", "w"]);
        if (random.Next(3) > 0)
        {
            graph.Initializers["xz"] = Values(random, inputType, new TensorShape());
            node.Inputs.Add("xz");
            if (random.Next(2) == 0)
            {
                graph.Initializers["wz"] = Values(random, weightType, random.Next(2) == 0 && op == "MatMulInteger" ? new TensorShape(outputs) : new TensorShape());
                node.Inputs.Add("wz");
            }
        }

        bool casts = random.Next(2) == 0;
        node.Outputs.Add(casts ? "sums" : "y");
        graph.Nodes.Add(node);
        if (casts)
        {
            var cast = new Node { Name = "cast", OpType = "Cast" };
            cast.Inputs.Add("sums");
            cast.Outputs.Add("y");
            cast.Attributes["to"] = 1L;
            graph.Nodes.Add(cast);
        }

        graph.Outputs.Add(new ValueInfo("y", casts ? ElementType.Float32 : ElementType.Int32, null));
        return node;
    }

    // Extremes are frequent: they are where a narrower sum would saturate.
    private static Tensor Values(Random random, ElementType type, TensorShape shape)
    {
        var tensor = new Tensor(type, shape);
        foreach (ref byte value in tensor.Bytes) value = random.Next(3) == 0 ? (byte)(random.Next(2) == 0 ? 0x80 : 0xFF) : (byte)random.Next(256);
        return tensor;
    }
}
