using CoInference.Runtime.Onnx;
using CoInference.Runtime.Onnx.Proto;
using Google.Protobuf;

namespace CoInference.Runtime.Tests.Onnx;

/// <summary>Damages model files at random: in their bytes, and in single fields of a file that stays well-formed.</summary>
internal sealed class ModelMutator(byte[][] models, int seed)
{
    private static readonly long[] OddNumbers =
        [0, 1, -1, 2, -2, 3, 7, 31, 255, 1024, 65_536, int.MaxValue, (long)int.MaxValue + 1, int.MinValue, 1L << 40, long.MaxValue, long.MinValue];

    private readonly Random _random = new(seed);
    private readonly string[] _operators = [.. Runtime.Execution.Operators.OperatorTable.Names];

    public byte[] Next()
    {
        byte[] model = models[_random.Next(models.Length)];
        int changes = 1 + _random.Next(3);
        for (int i = 0; i < changes; i++) model = _random.Next(3) == 0 ? ChangeBytes(model) : ChangeField(model);
        return model;
    }

    private byte[] ChangeBytes(byte[] model)
    {
        if (model.Length < 2) return model;
        byte[] copy = model.ToArray();
        int at = _random.Next(copy.Length);
        int length = _random.Next(Math.Min(64, copy.Length - at) + 1);
        switch (_random.Next(7))
        {
            case 0:
                copy[at] ^= (byte)(1 << _random.Next(8));
                return copy;
            case 1:
                copy[at] = (byte)_random.Next(256);
                return copy;
            case 2:
                return copy[..at];
            case 3:
                // A continued varint: lengths and numbers become huge or overlong.
                copy.AsSpan(at, Math.Min(1 + _random.Next(9), copy.Length - at)).Fill(0xFF);
                return copy;
            case 4:
                return [.. copy[..at], .. copy[(at + length)..]];
            case 5:
                return [.. copy[..at], .. copy.AsSpan(at, length), .. copy[at..]];
            default:
                byte[] other = models[_random.Next(models.Length)];
                return [.. copy[..at], .. other[_random.Next(other.Length)..]];
        }
    }

    private byte[] ChangeField(byte[] model)
    {
        ModelProto proto;
        try
        {
            proto = ProtobufReader.Parse(ModelProto.Parser, model, "model", "an ONNX model");
        }
        catch (InvalidDataException)
        {
            return model;
        }

        if (proto.Graph is not { Node.Count: > 0 } graph) return model;
        NodeProto node = graph.Node[_random.Next(graph.Node.Count)];
        switch (_random.Next(10))
        {
            case 0:
                node.OpType = _operators[_random.Next(_operators.Length)];
                break;
            case 1 when node.Input.Count > 0:
                node.Input[_random.Next(node.Input.Count)] = AnyValue(graph);
                break;
            case 2 when node.Input.Count > 0:
                node.Input.RemoveAt(_random.Next(node.Input.Count));
                break;
            case 3 when node.Attribute.Count > 0:
                ChangeAttribute(node.Attribute[_random.Next(node.Attribute.Count)]);
                break;
            case 4 when node.Attribute.Count > 0:
                node.Attribute.RemoveAt(_random.Next(node.Attribute.Count));
                break;
            case 5 when graph.Initializer.Count > 0:
                ChangeTensor(graph.Initializer[_random.Next(graph.Initializer.Count)]);
                break;
            case 6 when graph.Input.Count > 0 && graph.Input[0].Type?.TensorType?.Shape is { Dim.Count: > 0 } shape:
                shape.Dim[_random.Next(shape.Dim.Count)].DimValue = AnyNumber();
                break;
            case 7 when proto.OpsetImport.Count > 0:
                proto.OpsetImport[0].Version = _random.Next(5, 29);
                break;
            case 8:
                node.Output.Add(_random.Next(2) == 0 ? "extra" : AnyValue(graph));
                break;
            default:
                node.Input.Add(AnyValue(graph));
                break;
        }

        return proto.ToByteArray();
    }

    private void ChangeAttribute(AttributeProto attribute)
    {
        if (attribute.Ints.Count > 0) attribute.Ints[_random.Next(attribute.Ints.Count)] = AnyNumber();
        else if (attribute.HasI) attribute.I = AnyNumber();
        else if (attribute.HasF) attribute.F = _random.Next(4) switch { 0 => float.NaN, 1 => float.PositiveInfinity, 2 => 0, _ => -1e30f };
        else if (attribute.HasS) attribute.S = ByteString.CopyFromUtf8("odd");
    }

    private void ChangeTensor(TensorProto tensor)
    {
        if (tensor.Dims.Count > 0 && _random.Next(3) == 0)
        {
            tensor.Dims[_random.Next(tensor.Dims.Count)] = AnyNumber();
            return;
        }

        if (_random.Next(4) == 0)
        {
            tensor.DataType = _random.Next(28);
            return;
        }

        byte[] raw = tensor.RawData.ToByteArray();
        if (raw.Length == 0) return;
        if (raw.Length % 8 == 0 && _random.Next(2) == 0) BitConverter.GetBytes(AnyNumber()).CopyTo(raw, raw.Length / 8 * _random.Next(8) / 8 * 8);
        else raw[_random.Next(raw.Length)] = (byte)_random.Next(256);
        tensor.RawData = ByteString.CopyFrom(raw);
    }

    private long AnyNumber() => _random.Next(3) == 0 ? _random.Next(-4, 12) : OddNumbers[_random.Next(OddNumbers.Length)];

    private string AnyValue(GraphProto graph)
    {
        string[] names = [.. graph.Node.SelectMany(node => node.Output), .. graph.Initializer.Select(value => value.Name), .. graph.Input.Select(value => value.Name), ""];
        return names[_random.Next(names.Length)];
    }
}
