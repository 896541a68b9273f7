using System.Buffers.Binary;
using System.Runtime.InteropServices;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Onnx.Proto;
using Google.Protobuf;

namespace CoInference.Runtime.Onnx;

/// <summary>Reads and writes the serialized tensors (<c>.pb</c>) that ONNX test cases are made of.</summary>
public static class OnnxTensor
{
    private const int MaxRank = 32;
    private const long MaxBytes = 1L << 30;

    /// <summary>Reads one serialized tensor.</summary>
    /// <param name="path">Path of a file that holds one <c>TensorProto</c>.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">The file is not a well-formed tensor.</exception>
    /// <exception cref="NotSupportedException">The element type or the storage is not supported.</exception>
    public static Tensor Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Parse(OnnxModel.ReadFile(path), path);
    }

    /// <summary>Reads one serialized tensor from memory.</summary>
    /// <param name="bytes">A serialized <c>TensorProto</c>.</param>
    /// <param name="source">What messages call it.</param>
    /// <exception cref="InvalidDataException">The bytes are not a well-formed tensor.</exception>
    /// <exception cref="NotSupportedException">The element type or the storage is not supported.</exception>
    public static Tensor Parse(byte[] bytes, string source = "tensor")
    {
        ArgumentNullException.ThrowIfNull(bytes);
        return FromProto(ProtobufReader.Parse(TensorProto.Parser, bytes, source, "an ONNX tensor"), source);
    }

    /// <summary>The serialized form of a tensor.</summary>
    public static byte[] Serialize(Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return ToProto(tensor, "").ToByteArray();
    }

    /// <summary>Converts a tensor message; <paramref name="what"/> starts every error message.</summary>
    internal static Tensor FromProto(TensorProto proto, string what)
    {
        if (proto.DataLocation != TensorProto.Types.DataLocation.Default || proto.ExternalData.Count > 0)
            throw new NotSupportedException($"{what}: external tensor data is not supported; save the model as a single file.");
        ElementType type = ElementTypeOf(proto.DataType, what);
        TensorShape shape = ShapeOf(proto, type, what);
        var tensor = new Tensor(type, shape);
        if (proto.HasRawData)
        {
            ReadOnlySpan<byte> raw = proto.RawData.Span;
            if (raw.Length != tensor.Bytes.Length)
                throw new InvalidDataException($"{what}: {type} {shape} needs {tensor.Bytes.Length} bytes of raw data, found {raw.Length}.");
            CopyLittleEndian(raw, tensor.Bytes, type.SizeInBytes());
            if (type == ElementType.Bool) Normalize(tensor.Bytes);
            return tensor;
        }

        FillFromTypedField(proto, tensor, what);
        return tensor;
    }

    internal static TensorProto ToProto(Tensor tensor, string name)
    {
        var proto = new TensorProto { Name = name, DataType = (int)DataTypeOf(tensor.Type) };
        foreach (int dimension in tensor.Shape.Dimensions) proto.Dims.Add(dimension);
        byte[] raw = new byte[tensor.Bytes.Length];
        CopyLittleEndian(tensor.Bytes, raw, tensor.Type.SizeInBytes());
        proto.RawData = UnsafeByteOperations.UnsafeWrap(raw);
        return proto;
    }

    internal static ElementType ElementTypeOf(int dataType, string what) => (TensorProto.Types.DataType)dataType switch
    {
        TensorProto.Types.DataType.Float => ElementType.Float32,
        TensorProto.Types.DataType.Double => ElementType.Float64,
        TensorProto.Types.DataType.Float16 => ElementType.Float16,
        TensorProto.Types.DataType.Bfloat16 => ElementType.BFloat16,
        TensorProto.Types.DataType.Int8 => ElementType.Int8,
        TensorProto.Types.DataType.Uint8 => ElementType.UInt8,
        TensorProto.Types.DataType.Int16 => ElementType.Int16,
        TensorProto.Types.DataType.Uint16 => ElementType.UInt16,
        TensorProto.Types.DataType.Int32 => ElementType.Int32,
        TensorProto.Types.DataType.Uint32 => ElementType.UInt32,
        TensorProto.Types.DataType.Int64 => ElementType.Int64,
        TensorProto.Types.DataType.Uint64 => ElementType.UInt64,
        TensorProto.Types.DataType.Bool => ElementType.Bool,
        var known when Enum.IsDefined(known) && known != TensorProto.Types.DataType.Undefined => throw new NotSupportedException(
            $"{what}: element type {known.ToString().ToUpperInvariant()} is not supported; supported are {string.Join(", ", Enum.GetNames<ElementType>())}."),
        _ => throw new InvalidDataException($"{what}: {dataType} is no ONNX element type."),
    };

    internal static TensorProto.Types.DataType DataTypeOf(ElementType type) => type switch
    {
        ElementType.Float32 => TensorProto.Types.DataType.Float,
        ElementType.Float64 => TensorProto.Types.DataType.Double,
        ElementType.Float16 => TensorProto.Types.DataType.Float16,
        ElementType.BFloat16 => TensorProto.Types.DataType.Bfloat16,
        ElementType.Int8 => TensorProto.Types.DataType.Int8,
        ElementType.UInt8 => TensorProto.Types.DataType.Uint8,
        ElementType.Int16 => TensorProto.Types.DataType.Int16,
        ElementType.UInt16 => TensorProto.Types.DataType.Uint16,
        ElementType.Int32 => TensorProto.Types.DataType.Int32,
        ElementType.UInt32 => TensorProto.Types.DataType.Uint32,
        ElementType.Int64 => TensorProto.Types.DataType.Int64,
        ElementType.UInt64 => TensorProto.Types.DataType.Uint64,
        _ => TensorProto.Types.DataType.Bool,
    };

    private static TensorShape ShapeOf(TensorProto proto, ElementType type, string what)
    {
        if (proto.Dims.Count > MaxRank) throw new InvalidDataException($"{what} has {proto.Dims.Count} dimensions, at most {MaxRank} are allowed.");
        var dimensions = new int[proto.Dims.Count];
        long elements = 1;
        for (int i = 0; i < dimensions.Length; i++)
        {
            long dimension = proto.Dims[i];
            if (dimension is < 0 or > int.MaxValue) throw new InvalidDataException($"{what}: dimension {i} is {dimension}, expected 0 to {int.MaxValue}.");
            dimensions[i] = (int)dimension;
            elements *= dimension;
            if (elements * type.SizeInBytes() > MaxBytes)
                throw new InvalidDataException($"{what}: dimensions [{string.Join(", ", proto.Dims)}] need more than {MaxBytes} bytes.");
        }

        return new TensorShape(dimensions);
    }

    private static void FillFromTypedField(TensorProto proto, Tensor tensor, string what)
    {
        switch (tensor.Type)
        {
            case ElementType.Float32:
                Fill(tensor.Values<float>(), proto.FloatData, value => value);
                break;
            case ElementType.Float64:
                Fill(tensor.Values<double>(), proto.DoubleData, value => value);
                break;
            case ElementType.Int64:
                Fill(tensor.Values<long>(), proto.Int64Data, value => value);
                break;
            case ElementType.UInt64:
                Fill(tensor.Values<ulong>(), proto.Uint64Data, value => value);
                break;
            case ElementType.UInt32:
                Fill(tensor.Values<uint>(), proto.Uint64Data, value => checked((uint)value));
                break;
            case ElementType.Int32:
                Fill(tensor.Values<int>(), proto.Int32Data, value => value);
                break;
            case ElementType.Int16:
                Fill(tensor.Values<short>(), proto.Int32Data, value => checked((short)value));
                break;
            case ElementType.UInt16:
                Fill(tensor.Values<ushort>(), proto.Int32Data, value => checked((ushort)value));
                break;
            case ElementType.Int8:
                Fill(tensor.Values<sbyte>(), proto.Int32Data, value => checked((sbyte)value));
                break;
            case ElementType.UInt8:
                Fill(tensor.Values<byte>(), proto.Int32Data, value => checked((byte)value));
                break;
            case ElementType.Float16:
                Fill(tensor.Values<Half>(), proto.Int32Data, value => BitConverter.UInt16BitsToHalf(checked((ushort)value)));
                break;
            case ElementType.BFloat16:
                Fill(tensor.Values<BFloat16>(), proto.Int32Data, value => new BFloat16(checked((ushort)value)));
                break;
            default:
                Fill(tensor.Values<bool>(), proto.Int32Data, value => value != 0);
                break;
        }

        void Fill<TStored, T>(Span<T> target, IList<TStored> stored, Func<TStored, T> convert)
        {
            if (stored.Count != target.Length)
                throw new InvalidDataException($"{what}: {tensor.Type} {tensor.Shape} holds {target.Length} values, found {stored.Count}.");
            for (int i = 0; i < target.Length; i++)
            {
                try
                {
                    target[i] = convert(stored[i]);
                }
                catch (OverflowException)
                {
                    throw new InvalidDataException($"{what}: value {stored[i]} at index {i} does not fit {tensor.Type}.");
                }
            }
        }
    }

    private static void CopyLittleEndian(ReadOnlySpan<byte> source, Span<byte> target, int elementSize)
    {
        if (BitConverter.IsLittleEndian || elementSize == 1) source.CopyTo(target);
        else if (elementSize == 2) BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<byte, short>(source), MemoryMarshal.Cast<byte, short>(target));
        else if (elementSize == 4) BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<byte, int>(source), MemoryMarshal.Cast<byte, int>(target));
        else BinaryPrimitives.ReverseEndianness(MemoryMarshal.Cast<byte, long>(source), MemoryMarshal.Cast<byte, long>(target));
    }

    // A C# bool with a bit pattern other than 0 and 1 compares unequal to true.
    private static void Normalize(Span<byte> flags)
    {
        for (int i = 0; i < flags.Length; i++) flags[i] = flags[i] == 0 ? (byte)0 : (byte)1;
    }
}
