using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx.Proto;
using CoInference.Runtime.Plans;
using Google.Protobuf;

namespace CoInference.Runtime.Onnx;

/// <summary>Reads and writes ONNX model files.</summary>
public static class OnnxModel
{
    /// <summary>Oldest version of the default operator set that is read.</summary>
    public const int MinOpset = 7;

    /// <summary>Newest version of the default operator set that is read.</summary>
    public const int MaxOpset = 27;

    /// <summary>Reads a model file.</summary>
    /// <param name="path">Path of an <c>.onnx</c> file.</param>
    /// <returns>
    /// The graph, with nodes in topological order and unique node names. Operators are not checked here: shape inference
    /// and sessions reject those that are not supported.
    /// </returns>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    /// <exception cref="InvalidDataException">The file is not a well-formed ONNX model.</exception>
    /// <exception cref="NotSupportedException">The model needs a feature that is not supported; the message names it.</exception>
    public static Graph Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Parse(ReadFile(path), path);
    }

    /// <summary>Reads a model from memory.</summary>
    /// <param name="bytes">Content of an <c>.onnx</c> file.</param>
    /// <param name="source">What messages call the model, e.g. its path.</param>
    /// <exception cref="InvalidDataException">The bytes are not a well-formed ONNX model.</exception>
    /// <exception cref="NotSupportedException">The model needs a feature that is not supported; the message names it.</exception>
    public static Graph Parse(byte[] bytes, string source = "model")
    {
        ArgumentNullException.ThrowIfNull(bytes);
        ModelProto model = ProtobufReader.Parse(ModelProto.Parser, bytes, source, "an ONNX model");
        return new OnnxImporter(source).Import(model);
    }

    /// <summary>Writes a graph as an ONNX file (IR version 8) with the graph's own operator-set version.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="path">The file; it appears complete or not at all.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="ArgumentException">The graph holds something ONNX cannot express.</exception>
    public static void Save(Graph graph, string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        AtomicFile.Write(path, stream => stream.Write(Serialize(graph)));
    }

    /// <summary>The bytes <see cref="Save"/> writes; the same graph always gives the same bytes.</summary>
    /// <exception cref="ArgumentException">The graph holds something ONNX cannot express.</exception>
    public static byte[] Serialize(Graph graph)
    {
        ArgumentNullException.ThrowIfNull(graph);
        return OnnxExporter.Export(graph).ToByteArray();
    }

    internal static byte[] ReadFile(string path)
    {
        long length = new FileInfo(path).Length;
        if (length > Array.MaxLength)
            throw new InvalidDataException($"{path} has {length} bytes; an ONNX file has at most {Array.MaxLength}.");
        return File.ReadAllBytes(path);
    }
}
