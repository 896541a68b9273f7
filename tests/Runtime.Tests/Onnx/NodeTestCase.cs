using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;

namespace CoInference.Runtime.Tests.Onnx;

/// <summary>One folder of the ONNX backend tests: a model, its inputs and the outputs upstream expects.</summary>
/// <param name="Folder">The folder that holds <c>model.onnx</c>.</param>
internal sealed record NodeTestCase(string Folder)
{
    // Upstream's own tolerances for floating-point outputs.
    private const double RelativeTolerance = 1e-3;
    private const double AbsoluteTolerance = 1e-7;

    public string Name => Path.GetFileName(Folder);

    public Graph LoadModel() => OnnxModel.Load(Path.Combine(Folder, "model.onnx"));

    public static IEnumerable<NodeTestCase> All(string suite) =>
        Directory.GetDirectories(TestData.Require("onnx-node-tests", suite)).Order(StringComparer.Ordinal).Select(folder => new NodeTestCase(folder));

    /// <summary>Runs every data set of the case.</summary>
    /// <param name="run">How a graph is run.</param>
    public void Check(Func<Graph, IReadOnlyList<Tensor>, IReadOnlyList<Tensor>> run)
    {
        Graph graph = LoadModel();
        foreach (string dataSet in Directory.GetDirectories(Folder, "test_data_set_*"))
        {
            IReadOnlyList<Tensor> actual = run(graph, Load(dataSet, "input"));
            Tensor[] expected = Load(dataSet, "output");
            if (actual.Count != expected.Length) throw new InvalidDataException($"{actual.Count} outputs, expected {expected.Length}.");
            for (int i = 0; i < expected.Length; i++) Compare(actual[i], expected[i], i);
        }
    }

    private static Tensor[] Load(string dataSet, string kind) => Enumerable.Range(0, Directory.GetFiles(dataSet, $"{kind}_*.pb").Length)
        .Select(i => OnnxTensor.Load(Path.Combine(dataSet, $"{kind}_{i}.pb")))
        .ToArray();

    private static void Compare(Tensor actual, Tensor expected, int output)
    {
        if (actual.Type != expected.Type || actual.Shape != expected.Shape)
            throw new InvalidDataException($"output {output} is {actual}, expected {expected}.");
        if (!expected.Type.IsFloat())
        {
            if (!actual.Bytes.SequenceEqual(expected.Bytes)) throw new InvalidDataException($"output {output} differs from the expected integers.");
            return;
        }

        ReadOnlySpan<double> a = Casting.Cast(actual, ElementType.Float64).Values<double>();
        ReadOnlySpan<double> e = Casting.Cast(expected, ElementType.Float64).Values<double>();
        for (int i = 0; i < e.Length; i++)
        {
            bool same = a[i].Equals(e[i]) || Math.Abs(a[i] - e[i]) <= AbsoluteTolerance + (RelativeTolerance * Math.Abs(e[i]));
            if (!same) throw new InvalidDataException($"output {output}, element {i} is {a[i]}, expected {e[i]}.");
        }
    }
}
