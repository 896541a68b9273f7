using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>A step of a plan and the values it reads and writes.</summary>
internal sealed record PlannedStep(Operation Operation, StepVariant Variant, PhysicalValue[] Inputs, PhysicalValue[] Outputs);

/// <summary>The steps of a session in running order with all layouts decided; no weights are packed yet.</summary>
internal sealed class ExecutionPlan
{
    private readonly Dictionary<PlanValue, List<PhysicalValue>> _physical = [];
    private readonly PlanContext _context;
    private StepSpec[]? _specs;

    private ExecutionPlan(PlanContext context) => _context = context;

    /// <summary>The steps.</summary>
    public List<PlannedStep> Steps { get; } = [];

    /// <summary>Graph inputs, row-major.</summary>
    public List<PhysicalValue> Inputs { get; } = [];

    /// <summary>Graph outputs, row-major.</summary>
    public List<PhysicalValue> Outputs { get; } = [];

    /// <summary>Decides variants and layouts and inserts the reorders between them.</summary>
    public static ExecutionPlan Create(OperationList list, PlanContext context)
    {
        Operation[] operations = [.. list.Operations];
        StepVariant[] variants = context.Device is null ? LayoutAssignment.Assign(operations, context) : DeviceAssignment.Assign(operations, context);
        var plan = new ExecutionPlan(context);
        foreach (PlanValue input in list.Inputs) plan.Inputs.Add(plan.Define(input, ActivationLayout.Nchw, new Storage { IsOnDevice = context.TakesInput }));
        for (int i = 0; i < operations.Length; i++) plan.Append(operations[i], variants[i]);
        foreach (PlanValue output in list.Outputs) plan.Outputs.Add(plan.Obtain(output, ActivationLayout.Nchw, onDevice: context.KeepsOutput));
        return plan;
    }

    /// <summary>Describes every step; the same array every time.</summary>
    public StepSpec[] Describe() => _specs ??= [.. Steps.Select(step => step.Operation.Describe(step.Variant, _context))];

    private void Append(Operation operation, StepVariant variant)
    {
        // A view stays where its input is.
        bool onDevice = operation.IsView ? Forms(operation.Inputs[0])[0].Storage.IsOnDevice : variant.Device is not null;
        var inputs = new PhysicalValue[operation.Inputs.Count];
        for (int i = 0; i < inputs.Length; i++) inputs[i] = Obtain(operation.Inputs[i], variant.Inputs[i], onDevice);
        if (operation.IsView)
        {
            Define(operation.Outputs[0], variant.Outputs[0], inputs[0].Storage);
            return;
        }

        var outputs = new PhysicalValue[operation.Outputs.Count];
        for (int i = 0; i < outputs.Length; i++) outputs[i] = Define(operation.Outputs[i], variant.Outputs[i], new Storage { IsOnDevice = onDevice });
        Steps.Add(new PlannedStep(operation, variant, inputs, outputs));
    }

    private PhysicalValue Define(PlanValue value, ActivationLayout layout, Storage storage)
    {
        var physical = new PhysicalValue(value, layout, storage);
        if (!_physical.TryGetValue(value, out List<PhysicalValue>? forms)) _physical[value] = forms = [];
        forms.Add(physical);
        return physical;
    }

    private List<PhysicalValue> Forms(PlanValue value)
    {
        if (!_physical.ContainsKey(value)) Define(value, ActivationLayout.Nchw, new Storage { Constant = value.Constant });
        return _physical[value];
    }

    private PhysicalValue Obtain(PlanValue value, ActivationLayout layout, bool onDevice)
    {
        List<PhysicalValue> forms = Forms(value);
        PhysicalValue? source = null;
        foreach (PhysicalValue form in forms)
        {
            if (form.Storage.IsOnDevice != onDevice) continue;
            if (form.Layout == layout) return form;
            source ??= form;
        }

        source ??= Move(value, onDevice);
        if (source.Layout == layout) return source;
        if (LayoutAssignment.IsFreeReorder(value, source.Layout, layout)) return Define(value, layout, source.Storage);
        if (source.Storage.Constant is { } constant)
            return Define(value, layout, new Storage { Constant = ReorderOperation.Convert(constant, value, layout) });
        var reorder = new ReorderOperation(value, source.Layout, layout);
        PhysicalValue converted = Define(value, layout, new Storage());
        Steps.Add(new PlannedStep(reorder, reorder.Variants(_context)[0], [source], [converted]));
        return converted;
    }

    /// <summary>A row-major copy of a value on the other side of the bus.</summary>
    private PhysicalValue Move(PlanValue value, bool onDevice)
    {
        PhysicalValue source = Obtain(value, ActivationLayout.Nchw, !onDevice);
        if (source.Storage.Constant is { } constant)
            return Define(value, ActivationLayout.Nchw, new Storage { Constant = constant, IsOnDevice = onDevice });
        var copy = new DeviceCopyOperation(value, onDevice);
        PhysicalValue moved = Define(value, ActivationLayout.Nchw, new Storage { IsOnDevice = onDevice });
        Steps.Add(new PlannedStep(copy, copy.Variants(_context)[0], [source], [moved]));
        return moved;
    }
}
