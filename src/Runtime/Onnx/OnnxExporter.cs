using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx.Proto;
using Google.Protobuf;

namespace CoInference.Runtime.Onnx;

/// <summary>Turns a <see cref="Graph"/> into the messages of a model file.</summary>
internal static class OnnxExporter
{
    // IR version 8 is the newest that every ONNX Runtime since 1.10 accepts, and needs no initializer among the inputs.
    private const int IrVersion = 8;

    public static ModelProto Export(Graph graph)
    {
        var model = new ModelProto { IrVersion = IrVersion, ProducerName = "CoInference", Graph = ExportGraph(graph) };
        model.OpsetImport.Add(new OperatorSetIdProto { Version = graph.Opset });
        foreach ((string key, string value) in graph.Metadata.OrderBy(entry => entry.Key, StringComparer.Ordinal))
            model.MetadataProps.Add(new StringStringEntryProto { Key = key, Value = value });
        return model;
    }

    private static GraphProto ExportGraph(Graph graph)
    {
        var proto = new GraphProto { Name = graph.Name };
        foreach (ValueInfo input in graph.Inputs) proto.Input.Add(ExportValueInfo(input));
        foreach (ValueInfo output in graph.Outputs) proto.Output.Add(ExportValueInfo(output));
        foreach ((string name, Tensor value) in graph.Initializers.OrderBy(entry => entry.Key, StringComparer.Ordinal))
            proto.Initializer.Add(OnnxTensor.ToProto(value, name));
        foreach (Node node in graph.Nodes) proto.Node.Add(ExportNode(node));
        return proto;
    }

    private static ValueInfoProto ExportValueInfo(ValueInfo info)
    {
        var tensor = new TypeProto.Types.Tensor { ElemType = (int)OnnxTensor.DataTypeOf(info.Type) };
        if (info.Dimensions is { } dimensions)
        {
            tensor.Shape = new TensorShapeProto();
            foreach (Dimension dimension in dimensions)
            {
                var target = new TensorShapeProto.Types.Dimension();
                if (dimension.Size is { } size) target.DimValue = size;
                else if (dimension.Symbol is { } symbol) target.DimParam = symbol;
                tensor.Shape.Dim.Add(target);
            }
        }

        return new ValueInfoProto { Name = info.Name, Type = new TypeProto { TensorType = tensor } };
    }

    private static NodeProto ExportNode(Node node)
    {
        var proto = new NodeProto { Name = node.Name, OpType = node.OpType, Domain = node.Domain };
        proto.Input.AddRange(node.Inputs);
        proto.Output.AddRange(node.Outputs);
        foreach ((string name, object value) in node.Attributes.OrderBy(entry => entry.Key, StringComparer.Ordinal))
            proto.Attribute.Add(ExportAttribute(node, name, value));
        return proto;
    }

    private static AttributeProto ExportAttribute(Node node, string name, object value)
    {
        var proto = new AttributeProto { Name = name };
        switch (value)
        {
            case float number:
                proto.F = number;
                proto.Type = AttributeProto.Types.AttributeType.Float;
                break;
            case long number:
                proto.I = number;
                proto.Type = AttributeProto.Types.AttributeType.Int;
                break;
            case string text:
                proto.S = ByteString.CopyFromUtf8(text);
                proto.Type = AttributeProto.Types.AttributeType.String;
                break;
            case Tensor tensor:
                proto.T = OnnxTensor.ToProto(tensor, "");
                proto.Type = AttributeProto.Types.AttributeType.Tensor;
                break;
            case float[] numbers:
                proto.Floats.AddRange(numbers);
                proto.Type = AttributeProto.Types.AttributeType.Floats;
                break;
            case long[] numbers:
                proto.Ints.AddRange(numbers);
                proto.Type = AttributeProto.Types.AttributeType.Ints;
                break;
            case string[] texts:
                proto.Strings.AddRange(texts.Select(ByteString.CopyFromUtf8));
                proto.Type = AttributeProto.Types.AttributeType.Strings;
                break;
            default:
                throw new ArgumentException($"Attribute '{name}' of node {node} has type {value.GetType().Name}, which ONNX cannot express.");
        }

        return proto;
    }
}
