using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx.Proto;
using Google.Protobuf.Collections;

namespace CoInference.Runtime.Onnx;

/// <summary>Turns a parsed model file into a <see cref="Graph"/>; trusts nothing in it.</summary>
/// <param name="source">What messages call the model.</param>
internal sealed class OnnxImporter(string source)
{
    public Graph Import(ModelProto model)
    {
        if (model.Graph is null) throw new InvalidDataException($"{source} is not an ONNX model: it holds no graph.");
        if (model.Graph.SparseInitializer.Count > 0) throw new NotSupportedException($"{source}: sparse initializers are not supported.");
        var graph = new Graph { Name = model.Graph.Name.Length > 0 ? model.Graph.Name : "graph", Opset = ReadOpset(model) };
        foreach (StringStringEntryProto entry in model.MetadataProps) graph.Metadata[entry.Key] = entry.Value;
        foreach (TensorProto initializer in model.Graph.Initializer) AddInitializer(graph, initializer);
        foreach (ValueInfoProto input in model.Graph.Input)
        {
            // Before IR version 4 every initializer was listed as an input too; the initializer is its default value.
            if (!graph.Initializers.ContainsKey(input.Name)) graph.Inputs.Add(ReadValueInfo(input, "input"));
        }

        AddNodes(graph, model.Graph.Node);
        foreach (ValueInfoProto output in model.Graph.Output) graph.Outputs.Add(ReadValueInfo(output, "output"));
        if (graph.Outputs.Count == 0) throw new InvalidDataException($"{source}: the graph has no outputs.");
        GraphOrder.Sort(graph, source);
        return graph;
    }

    private int ReadOpset(ModelProto model)
    {
        long? opset = null;
        foreach (OperatorSetIdProto import in model.OpsetImport)
        {
            if (IsDefaultDomain(import.Domain)) opset = import.Version;
        }

        if (opset is null)
            throw new InvalidDataException($"{source} does not say which version of the default operator set it uses.");
        if (opset is < OnnxModel.MinOpset or > OnnxModel.MaxOpset)
            throw new NotSupportedException($"{source} uses operator set {opset}; supported are {OnnxModel.MinOpset} to {OnnxModel.MaxOpset}.");
        return (int)opset;
    }

    private void AddInitializer(Graph graph, TensorProto initializer)
    {
        if (initializer.Name.Length == 0) throw new InvalidDataException($"{source}: an initializer has no name.");
        Tensor value = OnnxTensor.FromProto(initializer, $"{source}, initializer '{initializer.Name}'");
        if (!graph.Initializers.TryAdd(initializer.Name, value))
            throw new InvalidDataException($"{source}: initializer '{initializer.Name}' is defined twice.");
    }

    private ValueInfo ReadValueInfo(ValueInfoProto info, string kind)
    {
        if (info.Name.Length == 0) throw new InvalidDataException($"{source}: a graph {kind} has no name.");
        string what = $"{source}, {kind} '{info.Name}'";
        if (info.Type is null or { ValueCase: TypeProto.ValueOneofCase.None })
        {
            // Exporters may leave the type of an output open; an input without a type cannot be checked or fed.
            return kind == "output"
                ? new ValueInfo(info.Name, ElementType.Float32, null)
                : throw new InvalidDataException($"{what} has no type.");
        }

        if (info.Type.ValueCase != TypeProto.ValueOneofCase.TensorType)
            throw new NotSupportedException($"{what} is of kind {info.Type.ValueCase}; only tensors are supported.");
        TypeProto.Types.Tensor tensor = info.Type.TensorType;
        ElementType type = OnnxTensor.ElementTypeOf(tensor.ElemType, what);
        return new ValueInfo(info.Name, type, tensor.Shape?.Dim.Select((dimension, axis) => ReadDimension(dimension, $"{what}, dimension {axis}")).ToArray());
    }

    private static Dimension ReadDimension(TensorShapeProto.Types.Dimension dimension, string what) => dimension.ValueCase switch
    {
        TensorShapeProto.Types.Dimension.ValueOneofCase.DimValue when dimension.DimValue is >= 0 and <= int.MaxValue =>
            new Dimension((int)dimension.DimValue),
        // Some exporters write -1 for a size known only at run time.
        TensorShapeProto.Types.Dimension.ValueOneofCase.DimValue when dimension.DimValue == -1 => new Dimension(null),
        TensorShapeProto.Types.Dimension.ValueOneofCase.DimValue => throw new InvalidDataException($"{what} is {dimension.DimValue}, expected 0 to {int.MaxValue}."),
        TensorShapeProto.Types.Dimension.ValueOneofCase.DimParam when dimension.DimParam.Length > 0 => new Dimension(null, dimension.DimParam),
        _ => new Dimension(null),
    };

    private void AddNodes(Graph graph, RepeatedField<NodeProto> protos)
    {
        var names = new HashSet<string>(protos.Count, StringComparer.Ordinal);
        foreach (NodeProto proto in protos) names.Add(proto.Name);
        names.Add("");
        var used = new HashSet<string>(protos.Count, StringComparer.Ordinal);
        for (int index = 0; index < protos.Count; index++)
        {
            NodeProto proto = protos[index];
            if (proto.OpType.Length == 0) throw new InvalidDataException($"{source}: node {index} '{proto.Name}' names no operator.");
            string name = proto.Name;
            if (name.Length == 0 || !used.Add(name))
            {
                string stem = name.Length == 0 ? $"{proto.OpType}_{index}" : $"{name}_{index}";
                name = stem;
                for (int attempt = 2; !names.Add(name); attempt++) name = $"{stem}_{attempt}";
                used.Add(name);
            }

            var node = new Node { Name = name, OpType = proto.OpType, Domain = IsDefaultDomain(proto.Domain) ? "" : proto.Domain };
            node.Inputs.AddRange(proto.Input);
            node.Outputs.AddRange(proto.Output);
            foreach (AttributeProto attribute in proto.Attribute) AddAttribute(node, attribute);
            graph.Nodes.Add(node);
        }
    }

    private void AddAttribute(Node node, AttributeProto attribute)
    {
        string what = $"{source}, node {node}, attribute '{attribute.Name}'";
        if (attribute.RefAttrName.Length > 0) throw new NotSupportedException($"{what} refers to a function's attribute; functions are not supported.");
        object value = TypeOf(attribute) switch
        {
            AttributeProto.Types.AttributeType.Float => attribute.F,
            AttributeProto.Types.AttributeType.Int => attribute.I,
            AttributeProto.Types.AttributeType.String => attribute.S.ToStringUtf8(),
            AttributeProto.Types.AttributeType.Tensor when attribute.T is not null => OnnxTensor.FromProto(attribute.T, what),
            AttributeProto.Types.AttributeType.Tensor => throw new InvalidDataException($"{what} holds no tensor."),
            AttributeProto.Types.AttributeType.Floats => attribute.Floats.ToArray(),
            AttributeProto.Types.AttributeType.Ints => attribute.Ints.ToArray(),
            AttributeProto.Types.AttributeType.Strings => attribute.Strings.Select(text => text.ToStringUtf8()).ToArray(),
            AttributeProto.Types.AttributeType.Graph or AttributeProto.Types.AttributeType.Graphs =>
                throw new NotSupportedException($"{what} is a subgraph; control flow is not supported."),
            var kind when Enum.IsDefined(kind) && kind != AttributeProto.Types.AttributeType.Undefined =>
                throw new NotSupportedException($"{what} is of kind {kind}; supported are floats, integers, strings, lists of them, and tensors."),
            var kind => throw new InvalidDataException($"{what} is of kind {(int)kind}, which ONNX does not define."),
        };
        if (!node.Attributes.TryAdd(attribute.Name, value)) throw new InvalidDataException($"{what} is given twice.");
    }

    // Files older than IR version 2 leave the kind out; then the field that is present tells it.
    private static AttributeProto.Types.AttributeType TypeOf(AttributeProto attribute) =>
        attribute.Type != AttributeProto.Types.AttributeType.Undefined ? attribute.Type
        : attribute.HasF ? AttributeProto.Types.AttributeType.Float
        : attribute.HasI ? AttributeProto.Types.AttributeType.Int
        : attribute.HasS ? AttributeProto.Types.AttributeType.String
        : attribute.T is not null ? AttributeProto.Types.AttributeType.Tensor
        : attribute.HasG ? AttributeProto.Types.AttributeType.Graph
        : attribute.Floats.Count > 0 ? AttributeProto.Types.AttributeType.Floats
        : attribute.Ints.Count > 0 ? AttributeProto.Types.AttributeType.Ints
        : attribute.Strings.Count > 0 ? AttributeProto.Types.AttributeType.Strings
        : AttributeProto.Types.AttributeType.Undefined;

    private static bool IsDefaultDomain(string domain) => domain.Length == 0 || domain == "ai.onnx";
}
