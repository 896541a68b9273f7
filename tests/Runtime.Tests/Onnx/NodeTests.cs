using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using Xunit.Abstractions;

namespace CoInference.Runtime.Tests.Onnx;

/// <summary>The ONNX backend tests. A case either passes or cannot run for one of a short list of reasons.</summary>
public class NodeTests(ITestOutputHelper output)
{
    // What is out of scope, and the text by which the clear refusal of such a model is recognized.
    private static readonly (string Reason, Func<string, bool> Matches)[] OutOfScope =
    [
        ("8-bit and 4-bit floating-point types", message => message.Contains("element type FLOAT8", StringComparison.Ordinal) || message.Contains("element type FLOAT4", StringComparison.Ordinal)),
        ("4-bit and 2-bit integer types", message => new[] { "INT4", "UINT4", "INT2", "UINT2" }.Any(type => message.Contains($"element type {type} ", StringComparison.Ordinal))),
        ("string tensors", message => message.Contains("element type STRING ", StringComparison.Ordinal)),
        ("sequence and optional values", message => message.Contains("only tensors are supported", StringComparison.Ordinal)),
        ("dropout in training mode: the expected output carries upstream's random mask", message => message.Contains("dropout in training mode is random", StringComparison.Ordinal)),
        ("operators of sequences", message => message.Contains("Operator Sequence", StringComparison.Ordinal) || message.Contains("Operator SplitToSequence", StringComparison.Ordinal)),
        ("the Gradient operator of the training domain", message => message.Contains("Operator Gradient", StringComparison.Ordinal)),
    ];

    // Exact counts: a case that starts to be refused is a regression even when the reason is on the list.
    [SkippableTheory]
    [InlineData("node", 525, 122)]
    [InlineData("simple", 23, 16)]
    public void Each_case_passes_in_the_interpreter_or_is_out_of_scope(string suite, int cases, int refused) =>
        CheckSuite(suite, cases, refused, (graph, inputs) => Interpreter.Run(graph, inputs));

    // What a user gets: the canonical graph.
    [SkippableTheory]
    [InlineData("node", 525, 122)]
    [InlineData("simple", 23, 16)]
    public void Each_case_passes_after_simplification_or_is_out_of_scope(string suite, int cases, int refused) =>
        CheckSuite(suite, cases, refused, (graph, inputs) => Interpreter.Run(GraphSimplifier.Simplify(graph), inputs));

    [SkippableTheory]
    [InlineData("node", 525, 122)]
    [InlineData("simple", 23, 16)]
    public void Each_case_passes_in_a_session_or_is_out_of_scope(string suite, int cases, int refused) =>
        CheckSuite(suite, cases, refused, (graph, inputs) =>
        {
            using Session session = Session.Create(graph);
            return session.Run(inputs);
        });

    private void CheckSuite(string suite, int cases, int refused, Func<Graph, IReadOnlyList<Tensor>, IReadOnlyList<Tensor>> run)
    {
        var byReason = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        var failures = new List<string>();
        int passed = 0;
        foreach (NodeTestCase test in NodeTestCase.All(suite))
        {
            try
            {
                test.Check(run);
                passed++;
            }
            catch (NotSupportedException error) when (ReasonOf(error.Message) is { } reason)
            {
                if (!byReason.TryGetValue(reason, out List<string>? names)) byReason[reason] = names = [];
                names.Add(test.Name);
            }
            catch (Exception error) when (error is InvalidDataException or NotSupportedException or ArgumentException)
            {
                failures.Add($"{test.Name}: {error.Message}");
            }
        }

        output.WriteLine($"{suite}: {passed} of {cases} passed; out of scope:");
        foreach ((string reason, List<string> names) in byReason) output.WriteLine($"  {names.Count} {reason}: {string.Join(" ", names)}");
        Assert.True(failures.Count == 0, string.Join(Environment.NewLine, failures));
        Assert.Equal(refused, byReason.Values.Sum(names => names.Count));
        Assert.Equal(cases - refused, passed);
    }

    private static string? ReasonOf(string message) => OutOfScope.FirstOrDefault(entry => entry.Matches(message)).Reason;
}
