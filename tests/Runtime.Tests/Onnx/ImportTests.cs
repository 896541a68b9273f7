using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Onnx.Proto;
using Google.Protobuf;

namespace CoInference.Runtime.Tests.Onnx;

public class ImportTests
{
    [Fact]
    public void A_graph_survives_export_and_import_unchanged()
    {
        foreach (Graph graph in SmallModels.All())
        {
            graph.Metadata["cut"] = "layer 3";
            byte[] bytes = OnnxModel.Serialize(graph);
            Graph copy = OnnxModel.Parse(bytes);
            Assert.Equal(bytes, OnnxModel.Serialize(copy));
            Assert.Equal(graph.Opset, copy.Opset);
            Assert.Equal("layer 3", copy.Metadata["cut"]);
            Assert.Equal(graph.Nodes.Select(node => node.ToString()), copy.Nodes.Select(node => node.ToString()));
            Assert.Equal(graph.Inputs[0].Dimensions, copy.Inputs[0].Dimensions);
            foreach ((string name, Tensor value) in graph.Initializers)
            {
                Assert.Equal(value.Type, copy.Initializers[name].Type);
                Assert.Equal(value.Shape, copy.Initializers[name].Shape);
                Assert.True(value.Bytes.SequenceEqual(copy.Initializers[name].Bytes));
            }
        }
    }

    [Fact]
    public void Save_writes_a_file_that_Load_reads()
    {
        string path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.onnx");
        try
        {
            OnnxModel.Save(SmallModels.ConvNet(), path);
            Assert.Equal(OnnxModel.Serialize(SmallModels.ConvNet()), OnnxModel.Serialize(OnnxModel.Load(path)));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData(ElementType.Float32)]
    [InlineData(ElementType.Float64)]
    [InlineData(ElementType.Float16)]
    [InlineData(ElementType.BFloat16)]
    [InlineData(ElementType.Int8)]
    [InlineData(ElementType.UInt8)]
    [InlineData(ElementType.Int16)]
    [InlineData(ElementType.UInt16)]
    [InlineData(ElementType.Int32)]
    [InlineData(ElementType.UInt32)]
    [InlineData(ElementType.Int64)]
    [InlineData(ElementType.UInt64)]
    [InlineData(ElementType.Bool)]
    public void Typed_fields_hold_the_same_values_as_raw_data(ElementType type)
    {
        TensorProto proto = TypedProto(type);
        Tensor typed = OnnxTensor.FromProto(proto, "typed");
        Assert.Equal(type, typed.Type);
        double[] expected = type == ElementType.Bool ? [0, 1, 1] : [0, 1, 2];
        Assert.Equal(expected, Kernels.Reference.Casting.Cast(typed, ElementType.Float64).Values<double>().ToArray());
        Tensor raw = OnnxTensor.Parse(OnnxTensor.Serialize(typed));
        Assert.True(raw.Bytes.SequenceEqual(typed.Bytes));
    }

    [Fact]
    public void Nameless_nodes_get_names_of_their_own_and_disorder_is_sorted()
    {
        ModelProto model = Model();
        NodeProto first = Node("Relu", ["x"], ["a"]);
        NodeProto second = Node("Relu", ["a"], ["b"]);
        NodeProto taken = Node("Relu", ["b"], ["y"], "Relu_0");
        model.Graph.Node.AddRange([second, taken, first]);
        Graph graph = Import(model);
        Assert.Equal(["a", "b", "y"], graph.Nodes.Select(node => node.Outputs[0]));
        Assert.Equal(3, graph.Nodes.Select(node => node.Name).Distinct().Count());
        Assert.Contains(graph.Nodes, node => node.Name == "Relu_0" && node.Outputs[0] == "y");
    }

    [Fact]
    public void An_input_that_is_an_initializer_too_is_not_fed()
    {
        ModelProto model = Model(Node("Add", ["x", "w"], ["y"]));
        model.Graph.Input.Add(new ValueInfoProto { Name = "w", Type = model.Graph.Input[0].Type });
        model.Graph.Initializer.Add(new TensorProto { Name = "w", DataType = 1, Dims = { 1 }, FloatData = { 3 } });
        Graph graph = Import(model);
        Assert.Equal(["x"], graph.Inputs.Select(input => input.Name));
        Tensor result = Interpreter.Run(graph, [Tensor.From<float>(new TensorShape(2), [1, 2])])[0];
        Assert.Equal([4f, 5f], result.Values<float>().ToArray());
    }

    [Fact]
    public void Symbolic_and_open_dimensions_are_kept()
    {
        ModelProto model = Model(Node("Relu", ["x"], ["y"]));
        model.Graph.Input[0].Type.TensorType.Shape = new TensorShapeProto
        {
            Dim = { new TensorShapeProto.Types.Dimension { DimParam = "batch" }, new TensorShapeProto.Types.Dimension(), new TensorShapeProto.Types.Dimension { DimValue = 4 } },
        };
        Assert.Equal([new Dimension(null, "batch"), new Dimension(null), new Dimension(4)], Import(model).Inputs[0].Dimensions);
    }

    public static TheoryData<string, string> BadModels => new()
    {
        { "no graph", "holds no graph" },
        { "opset 6", "operator set 6; supported are 7 to 27" },
        { "opset 28", "operator set 28; supported are 7 to 27" },
        { "no opset", "does not say which version" },
        { "subgraph", "node If 'branch', attribute 'then_branch' is a subgraph" },
        { "external", "initializer 'w': external tensor data is not supported" },
        { "short raw", "initializer 'w': Float32 [2, 3] needs 24 bytes of raw data, found 20" },
        { "short typed", "initializer 'w': Float32 [2, 3] holds 6 values, found 5" },
        { "negative dimension", "initializer 'w': dimension 1 is -3, expected 0 to 2147483647" },
        { "huge", "initializer 'w': dimension 1 is 4611686018427387904, expected 0 to 2147483647" },
        { "overflow", "initializer 'w': dimensions [2147483647, 2147483647] need more than" },
        { "string tensor", "initializer 'w': element type STRING is not supported" },
        { "unknown type", "initializer 'w': 99 is no ONNX element type" },
        { "twice", "initializer 'w' is defined twice" },
        { "value twice", "value 'y', written by node Relu 'second', is defined twice" },
        { "undefined", "node Relu 'r' reads value 'ghost', which nothing defines" },
        { "no output", "nothing defines the graph output 'y'" },
        { "cycle", "the graph has a cycle" },
        { "sequence", "input 'x' is of kind SequenceType; only tensors are supported" },
        { "attribute twice", "attribute 'alpha' is given twice" },
        { "value out of range", "initializer 'w': value 300 at index 0 does not fit UInt8" },
    };

    [Theory]
    [MemberData(nameof(BadModels))]
    public void A_bad_model_is_refused_with_a_message_that_names_the_place(string kind, string message)
    {
        Exception error = Assert.ThrowsAny<Exception>(() => OnnxModel.Parse(Bad(kind).ToByteArray(), "net.onnx"));
        Assert.True(error is InvalidDataException or NotSupportedException, error.GetType().Name);
        Assert.StartsWith("net.onnx", error.Message, StringComparison.Ordinal);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unsupported_operator_is_named_with_its_node_and_what_is_supported()
    {
        Graph graph = Import(Model(Node("LSTM", ["x"], ["y"], "memory")));
        NotSupportedException error = Assert.Throws<NotSupportedException>(() => ShapeInference.Infer(graph));
        Assert.Contains("Operator LSTM of node 'memory'", error.Message, StringComparison.Ordinal);
        Assert.Contains("AveragePool", error.Message, StringComparison.Ordinal);
        Assert.Contains("Upsample", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_that_are_no_model_are_refused()
    {
        InvalidDataException error = Assert.Throws<InvalidDataException>(() => OnnxModel.Parse("not a model"u8.ToArray(), "notes.txt"));
        Assert.StartsWith("notes.txt is not an ONNX model", error.Message, StringComparison.Ordinal);
    }

    private static Graph Import(ModelProto model) => OnnxModel.Parse(model.ToByteArray());

    private static ModelProto Model(params NodeProto[] nodes)
    {
        var model = new ModelProto { IrVersion = 8, Graph = new GraphProto { Name = "g" } };
        model.OpsetImport.Add(new OperatorSetIdProto { Version = 13 });
        model.Graph.Input.Add(new ValueInfoProto { Name = "x", Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = 1 } } });
        model.Graph.Output.Add(new ValueInfoProto { Name = "y" });
        model.Graph.Node.AddRange(nodes);
        return model;
    }

    private static NodeProto Node(string opType, string[] inputs, string[] outputs, string name = "") =>
        new() { OpType = opType, Name = name, Input = { inputs }, Output = { outputs } };

    private static ModelProto Bad(string kind)
    {
        ModelProto model = Model(Node("Add", ["x", "w"], ["y"], "sum"));
        var w = new TensorProto { Name = "w", DataType = 1, Dims = { 2, 3 }, RawData = ByteString.CopyFrom(new byte[24]) };
        model.Graph.Initializer.Add(w);
        switch (kind)
        {
            case "no graph": model.Graph = null; break;
            case "opset 6": model.OpsetImport[0].Version = 6; break;
            case "opset 28": model.OpsetImport[0].Version = 28; break;
            case "no opset": model.OpsetImport[0].Domain = "ai.onnx.ml"; break;
            case "subgraph":
                model.Graph.Node.Add(Node("If", ["x"], ["z"], "branch"));
                model.Graph.Node[1].Attribute.Add(new AttributeProto { Name = "then_branch", Type = AttributeProto.Types.AttributeType.Graph, G = ByteString.Empty });
                break;
            case "external": w.DataLocation = TensorProto.Types.DataLocation.External; break;
            case "short raw": w.RawData = ByteString.CopyFrom(new byte[20]); break;
            case "short typed":
                w.ClearRawData();
                w.FloatData.AddRange([1, 2, 3, 4, 5]);
                break;
            case "negative dimension": w.Dims[1] = -3; break;
            case "huge": w.Dims[1] = 1L << 62; break;
            case "overflow":
                w.Dims[0] = int.MaxValue;
                w.Dims[1] = int.MaxValue;
                break;
            case "string tensor": w.DataType = 8; break;
            case "unknown type": w.DataType = 99; break;
            case "twice": model.Graph.Initializer.Add(w); break;
            case "value twice": model.Graph.Node.Add(Node("Relu", ["x"], ["y"], "second")); break;
            case "undefined": model.Graph.Node.Add(Node("Relu", ["ghost"], ["z"], "r")); break;
            case "no output": model.Graph.Node[0].Output[0] = "z"; break;
            case "cycle":
                model.Graph.Node[0].Input[0] = "b";
                model.Graph.Node.Add(Node("Relu", ["y"], ["b"], "back"));
                break;
            case "sequence": model.Graph.Input[0].Type = new TypeProto { SequenceType = ByteString.Empty }; break;
            case "attribute twice":
                model.Graph.Node[0].Attribute.Add(new AttributeProto { Name = "alpha", F = 1, Type = AttributeProto.Types.AttributeType.Float });
                model.Graph.Node[0].Attribute.Add(new AttributeProto { Name = "alpha", F = 2, Type = AttributeProto.Types.AttributeType.Float });
                break;
            case "value out of range":
                w.ClearRawData();
                w.DataType = (int)TensorProto.Types.DataType.Uint8;
                w.Int32Data.AddRange([300, 0, 0, 0, 0, 0]);
                break;
            default: throw new ArgumentOutOfRangeException(nameof(kind));
        }

        return model;
    }

    // The values 0, 1, 2 in the field that ONNX prescribes for the type.
    private static TensorProto TypedProto(ElementType type)
    {
        var proto = new TensorProto { DataType = (int)OnnxTensor.DataTypeOf(type), Dims = { 3 } };
        switch (type)
        {
            case ElementType.Float32: proto.FloatData.AddRange([0, 1, 2]); break;
            case ElementType.Float64: proto.DoubleData.AddRange([0, 1, 2]); break;
            case ElementType.Int64: proto.Int64Data.AddRange([0, 1, 2]); break;
            case ElementType.UInt32 or ElementType.UInt64: proto.Uint64Data.AddRange([0, 1, 2]); break;
            case ElementType.Float16: proto.Int32Data.AddRange([0, 0x3C00, 0x4000]); break;
            case ElementType.BFloat16: proto.Int32Data.AddRange([0, 0x3F80, 0x4000]); break;
            default: proto.Int32Data.AddRange([0, 1, 2]); break;
        }

        return proto;
    }
}
