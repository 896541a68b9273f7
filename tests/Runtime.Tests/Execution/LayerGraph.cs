using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Tests.Execution;

/// <summary>Networks of one convolution.</summary>
internal static class LayerGraph
{
    /// <summary>A layer with "same" padding over a square image.</summary>
    public static ConvShape Shape(int inputs, int outputs, int kernel, int size) => new()
    {
        InChannels = inputs,
        OutChannels = outputs,
        InHeight = size,
        InWidth = size,
        KernelHeight = kernel,
        KernelWidth = kernel,
        PadTop = kernel / 2,
        PadLeft = kernel / 2,
        PadBottom = kernel / 2,
        PadRight = kernel / 2,
    };

    /// <summary>A graph of one layer with random weights of a form and density.</summary>
    public static Graph Create(int inputs, int outputs, int kernel, int size, WeightForm form = WeightForm.Dense, double density = 1)
    {
        (float[] weights, float[] bias) = RandomWeights.Create(Shape(inputs, outputs, kernel, size), form, density);
        var graph = new Graph { Name = "layer" };
        graph.Inputs.Add(new ValueInfo("x", ElementType.Float32, [new Dimension(null, "N"), new Dimension(inputs), new Dimension(size), new Dimension(size)]));
        graph.Outputs.Add(new ValueInfo("y", ElementType.Float32, [new Dimension(null, "N"), new Dimension(outputs), new Dimension(size), new Dimension(size)]));
        graph.Initializers["w"] = Tensor.From<float>(new TensorShape(outputs, inputs, kernel, kernel), weights);
        graph.Initializers["b"] = Tensor.From<float>(new TensorShape(outputs), bias);
        var node = new Node { Name = "conv", OpType = "Conv" };
        node.Inputs.AddRange(["x", "w", "b"]);
        node.Outputs.Add("y");
        long pad = kernel / 2;
        node.Attributes["pads"] = new[] { pad, pad, pad, pad };
        graph.Nodes.Add(node);
        return graph;
    }
}
