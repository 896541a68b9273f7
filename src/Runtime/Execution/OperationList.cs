namespace CoInference.Runtime.Execution;

/// <summary>A graph between import and execution: operations in running order and the values between them.</summary>
internal sealed class OperationList
{
    private readonly List<Operation?> _operations = [];
    private readonly Dictionary<Operation, int> _positions = [];

    /// <summary>Values that a caller feeds, in graph order.</summary>
    public List<PlanValue> Inputs { get; } = [];

    /// <summary>Values that a caller receives, in graph order.</summary>
    public List<PlanValue> Outputs { get; } = [];

    /// <summary>The operations in running order.</summary>
    public IEnumerable<Operation> Operations => _operations.Where(operation => operation is not null)!;

    /// <summary>The operation that writes each value; graph inputs and constants have none.</summary>
    public Dictionary<PlanValue, Operation> Producers { get; } = [];

    /// <summary>Appends an operation and registers its reads and writes.</summary>
    public void Add(Operation operation)
    {
        _positions[operation] = _operations.Count;
        _operations.Add(operation);
        foreach (PlanValue input in operation.Inputs) input.Consumers.Add(operation);
        foreach (PlanValue output in operation.Outputs) Producers[output] = operation;
    }

    /// <summary>Whether <paramref name="first"/> runs before <paramref name="second"/>.</summary>
    public bool IsBefore(Operation first, Operation second) => _positions[first] < _positions[second];

    /// <summary>
    /// Lets <paramref name="absorber"/> compute what <paramref name="absorbed"/> did: it takes over the outputs and the
    /// place in the order, and the inputs in <paramref name="newInputs"/> besides its own. The value between the two
    /// disappears.
    /// </summary>
    public void Absorb(Operation absorber, Operation absorbed, params ReadOnlySpan<PlanValue> newInputs)
    {
        foreach (PlanValue input in absorbed.Inputs) input.Consumers.Remove(absorbed);
        foreach (PlanValue output in absorber.Outputs) Producers.Remove(output);
        absorber.Outputs.Clear();
        absorber.Outputs.AddRange(absorbed.Outputs);
        absorber.Node = absorbed.Node;
        foreach (PlanValue output in absorber.Outputs) Producers[output] = absorber;
        foreach (PlanValue input in newInputs)
        {
            absorber.Inputs.Add(input);
            input.Consumers.Add(absorber);
        }

        _operations[_positions[absorber]] = null;
        _operations[_positions[absorbed]] = absorber;
        _positions[absorber] = _positions[absorbed];
        _positions.Remove(absorbed);
    }
}
