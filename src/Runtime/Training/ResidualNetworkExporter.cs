using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Training;

/// <summary>Turns a trained network into an ONNX graph: Conv and BatchNormalization stay apart, as training left them.</summary>
internal static class ResidualNetworkExporter
{
    private const int Opset = 13;

    /// <summary>Builds the graph, input <c>input</c> [N, 3, side, side] and output <c>logits</c> [N, classes].</summary>
    public static Graph Export(ResidualNetwork network, string name)
    {
        var graph = new Graph { Name = name, Opset = Opset };
        FeatureMap images = network.Images;
        graph.Inputs.Add(new ValueInfo("input", ElementType.Float32, [new Dimension(null, "N"), new(images.Channels), new(images.Height), new(images.Width)]));
        graph.Outputs.Add(new ValueInfo("logits", ElementType.Float32, [new Dimension(null, "N"), new(network.Logits.Channels)]));
        var values = new Dictionary<FeatureMap, string> { [images] = "input" };
        int number = 0;
        foreach (TrainingLayer layer in network.Layers)
        {
            switch (layer)
            {
                case ConvLayer conv:
                    values[conv.Output] = AddConv(graph, conv, values[conv.Input], $"conv{++number}");
                    break;
                case BatchNormLayer norm:
                    values[norm.Output] = AddNorm(graph, norm, values, $"conv{number}");
                    break;
            }
        }

        string last = values[network.Layers.OfType<BatchNormLayer>().Last().Output];
        Add(graph, "GlobalAveragePool", "pool", [last], "pooled");
        Add(graph, "Flatten", "flatten", ["pooled"], "flat").Attributes["axis"] = 1L;
        int classes = network.Logits.Channels;
        float[] weights = network.Classifier.ExportWeights();
        graph.Initializers["classifier.weight"] = Tensor.From<float>(new TensorShape(classes, weights.Length / classes), weights);
        graph.Initializers["classifier.bias"] = Tensor.From<float>(new TensorShape(classes), network.Classifier.Bias);
        Add(graph, "Gemm", "classifier", ["flat", "classifier.weight", "classifier.bias"], "logits").Attributes["transB"] = 1L;
        return graph;
    }

    private static string AddConv(Graph graph, ConvLayer conv, string input, string name)
    {
        graph.Initializers[$"{name}.weight"] = Tensor.From<float>(new TensorShape(conv.Output.Channels, conv.Input.Channels, conv.Kernel, conv.Kernel), conv.ExportWeights());
        Node node = Add(graph, "Conv", name, [input, $"{name}.weight"], $"{name}.out");
        node.Attributes["kernel_shape"] = new long[] { conv.Kernel, conv.Kernel };
        node.Attributes["strides"] = new long[] { conv.Stride, conv.Stride };
        node.Attributes["pads"] = new long[] { conv.Padding, conv.Padding, conv.Padding, conv.Padding };
        return node.Outputs[0];
    }

    private static string AddNorm(Graph graph, BatchNormLayer norm, Dictionary<FeatureMap, string> values, string name)
    {
        (string Name, float[] Values)[] vectors =
            [($"{name}.scale", norm.Scale), ($"{name}.shift", norm.Shift), ($"{name}.mean", norm.RunningMean), ($"{name}.variance", norm.RunningVariance)];
        foreach ((string key, float[] vector) in vectors) graph.Initializers[key] = Tensor.From<float>(new TensorShape(vector.Length), vector);
        Node node = Add(graph, "BatchNormalization", $"{name}.norm", [values[norm.Input], .. vectors.Select(vector => vector.Name)], $"{name}.normalized");
        node.Attributes["epsilon"] = BatchNormLayer.Epsilon;
        string value = node.Outputs[0];
        if (norm.Shortcut is not null) value = Add(graph, "Add", $"{name}.add", [value, values[norm.Shortcut]], $"{name}.sum").Outputs[0];
        if (norm.HasRelu) value = Add(graph, "Relu", $"{name}.relu", [value], $"{name}.active").Outputs[0];
        return value;
    }

    private static Node Add(Graph graph, string op, string name, string[] inputs, string output)
    {
        var node = new Node { Name = name, OpType = op };
        node.Inputs.AddRange(inputs);
        node.Outputs.Add(output);
        graph.Nodes.Add(node);
        return node;
    }
}
