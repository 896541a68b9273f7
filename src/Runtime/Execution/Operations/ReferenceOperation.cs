using CoInference.Kernels.Tensors;
using CoInference.Runtime.Graphs;

namespace CoInference.Runtime.Execution;

/// <summary>A node without a fast step, run on its scalar reference kernel. The only kind of step that allocates.</summary>
internal sealed class ReferenceOperation : Operation
{
    private readonly Graph _graph;

    /// <param name="node">The node.</param>
    /// <param name="opset">Operator set version of its graph.</param>
    /// <param name="inputs">The node's inputs in order; null for one left out.</param>
    /// <param name="outputs">The node's outputs in order; null for one left out.</param>
    public ReferenceOperation(Node node, int opset, IReadOnlyList<PlanValue?> inputs, IReadOnlyList<PlanValue?> outputs)
        : base(node.Name, node.OpType)
    {
        _graph = new Graph { Name = node.Name, Opset = opset };
        _graph.Nodes.Add(node);
        foreach (PlanValue? input in inputs)
        {
            if (input is null || Inputs.Contains(input)) continue;
            if (input.Constant is { } constant)
            {
                _graph.Initializers[input.Name] = constant;
                continue;
            }

            Inputs.Add(input);
            _graph.Inputs.Add(Declare(input));
        }

        foreach (PlanValue? output in outputs)
        {
            if (output is null) continue;
            Outputs.Add(output);
            _graph.Outputs.Add(Declare(output));
        }
    }

    public override string Attributes => string.Join(',', _graph.Nodes[0].Attributes
        .OrderBy(attribute => attribute.Key, StringComparer.Ordinal).Select(attribute => $"{attribute.Key}={Text(attribute.Value)}")
        .Concat(_graph.Initializers.Values.Select(constant => $"!{constant}")));

    public override IReadOnlyList<StepVariant> Variants(PlanContext context) =>
        [StepCost.Uniform(this, "reference", ActivationLayout.Nchw, StepCost.Reference(StepCost.Bytes(this)))];

    public override PreparedStep Prepare(StepVariant variant, bool randomWeights) => new(buffers => new ReferenceStep(this, buffers));

    private static ValueInfo Declare(PlanValue value)
    {
        var dimensions = new Dimension[value.Shape.Rank];
        for (int axis = 0; axis < dimensions.Length; axis++) dimensions[axis] = new Dimension(value.Shape[axis]);
        return new ValueInfo(value.Name, value.Type, dimensions);
    }

    private static string Text(object value) => value switch
    {
        long[] list => $"[{string.Join(' ', list)}]",
        float[] list => $"[{string.Join(' ', list)}]",
        string[] list => $"[{string.Join(' ', list)}]",
        IFormattable number => number.ToString(null, System.Globalization.CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    private sealed unsafe class ReferenceStep : Step
    {
        private readonly ReferenceOperation _operation;
        private readonly StepBuffers _buffers;
        private readonly Tensor[] _inputs;

        public ReferenceStep(ReferenceOperation operation, StepBuffers buffers)
        {
            _operation = operation;
            _buffers = buffers;
            _inputs = [.. operation.Inputs.Select(input => new Tensor(input.Type, input.Shape))];
        }

        public override void Run()
        {
            for (int i = 0; i < _inputs.Length; i++)
                new ReadOnlySpan<byte>((void*)_buffers.Inputs[i], _inputs[i].Bytes.Length).CopyTo(_inputs[i].Bytes);
            IReadOnlyList<Tensor> results = Interpreter.Run(_operation._graph, _inputs);
            for (int i = 0; i < results.Count; i++)
            {
                PlanValue expected = _operation.Outputs[i];
                Tensor result = results[i];
                if (result.Type != expected.Type || result.Shape != expected.Shape)
                    throw new InvalidDataException($"{_operation.Op} '{_operation.Node}' gave {result}, expected {expected.Type} {expected.Shape}.");
                result.Bytes.CopyTo(new Span<byte>((void*)_buffers.Outputs[i], result.Bytes.Length));
            }
        }
    }
}
