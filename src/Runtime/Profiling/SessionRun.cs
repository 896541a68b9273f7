using CoInference.Kernels.Reference;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Profiling;

/// <summary>A session with inputs at hand, ready to be timed: small random floats, and zeros for other types.</summary>
internal sealed class SessionRun
{
    private const int Seed = 1;

    private readonly Session _session;
    private readonly Tensor[] _inputs;
    private readonly float[]? _output;

    public SessionRun(Session session)
    {
        _session = session;
        _inputs = [.. session.Inputs.Select(Input)];
        bool spans = _inputs.Length == 1 && _inputs[0].Type == ElementType.Float32
            && session.Outputs is [{ Type: ElementType.Float32, Shape: not null }];
        if (spans) _output = new float[session.Outputs[0].Shape!.Value.Count];
    }

    /// <summary>Whether steps can be timed one by one: the network has one float input and one float output.</summary>
    public bool CanTimeSteps => _output is not null;

    /// <summary>Runs the session once; allocates nothing where the network has one float input and output.</summary>
    public void Run()
    {
        if (_output is not null) _session.Run(_inputs[0].Values<float>(), _output);
        else _session.Run(_inputs);
    }

    /// <summary>Runs once with the time of each step.</summary>
    public void RunTimed(Span<long> stepTicks) => _session.RunTimed(_inputs[0].Values<float>(), _output, stepTicks);

    /// <summary>Runs once and compares every output with what the scalar reference makes of the network: the largest difference relative to the output's largest magnitude.</summary>
    /// <param name="graph">The network that the session runs.</param>
    /// <returns>Infinite where a result is no number and should be, or has another shape.</returns>
    /// <exception cref="NotSupportedException">The reference lacks an operator.</exception>
    public double MaxRelativeError(Graph graph)
    {
        IReadOnlyList<Tensor> expected = Interpreter.Run(graph, _inputs), actual = _session.Run(_inputs);
        double worst = 0;
        for (int i = 0; i < expected.Count; i++)
        {
            if (expected[i].Shape != actual[i].Shape) return double.PositiveInfinity;
            worst = Math.Max(worst, Deviation.Of<double>(InDouble(expected[i]), InDouble(actual[i])));
        }

        return worst;
    }

    private static Span<double> InDouble(Tensor tensor) => Casting.Cast(tensor, ElementType.Float64).Values<double>();

    private static Tensor Input(SessionValue value)
    {
        TensorShape shape = value.Shape ?? throw new NotSupportedException($"Input '{value.Name}' has no known shape and cannot be profiled.");
        var tensor = new Tensor(value.Type, shape);
        if (value.Type != ElementType.Float32) return tensor;
        var random = new Random(Seed);
        foreach (ref float element in tensor.Values<float>()) element = (float)(random.NextDouble() - 0.5);
        return tensor;
    }
}
