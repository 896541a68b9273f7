using CoInference.Kernels.Tensors;
using CoInference.Runtime.Execution;

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
