using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>One way to run an operation: a kernel and the layouts it reads and writes.</summary>
/// <param name="Kernel">Kernel name for tables.</param>
/// <param name="Inputs">Layout of each input.</param>
/// <param name="Outputs">Layout of each output.</param>
/// <param name="Microseconds">Expected time of one run.</param>
/// <param name="Convolution">The registry row and density of a convolution; null for other operations.</param>
/// <param name="Device">What runs it on a device; null for the CPU.</param>
internal sealed record StepVariant(
    string Kernel,
    ActivationLayout[] Inputs,
    ActivationLayout[] Outputs,
    double Microseconds,
    ConvCandidate? Convolution = null,
    DeviceCandidate? Device = null)
{
    /// <summary>What the time of a convolution is kept under.</summary>
    public string ConvolutionKey => Device?.Key ?? Convolution!.Key;

    /// <summary>Form of the weights that the kernel of a convolution visits.</summary>
    public WeightForm ConvolutionForm => Device?.Kernel?.Form ?? Convolution!.Kernel.Form;

    /// <summary>Share of weights, or blocks, that the kernel of a convolution visits, in steps of 1/32.</summary>
    public double ConvolutionDensity => Device?.Density ?? Convolution!.Density;
}

/// <summary>A node, or several fused ones, between import and execution.</summary>
internal abstract class Operation(string node, string op)
{
    /// <summary>Name of the node the operation computes; of the last one when several are fused.</summary>
    public string Node { get; set; } = node;

    /// <summary>Operator name for tables.</summary>
    public string Op { get; } = op;

    /// <summary>Values read.</summary>
    public List<PlanValue> Inputs { get; } = [];

    /// <summary>Values written.</summary>
    public List<PlanValue> Outputs { get; } = [];

    /// <summary>The ways to run the operation; at least one.</summary>
    public abstract IReadOnlyList<StepVariant> Variants(PlanContext context);

    /// <summary>Attributes, epilogue and whatever else determines the time besides shapes, layouts and kernel.</summary>
    public abstract string Attributes { get; }

    /// <summary>Packs weights for a variant.</summary>
    /// <param name="variant">The way to run.</param>
    /// <param name="randomWeights">Whether to use random weights of the variant's density in place of the real ones.</param>
    public abstract PreparedStep Prepare(StepVariant variant, bool randomWeights);

    /// <summary>Whether the operation's kernels for devices are those of its element types, whatever they are; else they are for float32.</summary>
    public virtual bool HasKernelsOfItsTypes => false;

    /// <summary>The way to run the operation on the device of a context, row-major; null when there is no kernel for it.</summary>
    public virtual StepVariant? OnDevice(PlanContext context) => null;

    /// <summary>Moves weights to the device of a variant from <see cref="OnDevice"/>.</summary>
    /// <param name="variant">The way to run.</param>
    /// <param name="randomWeights">Whether to use random weights of the variant's density in place of the real ones.</param>
    public virtual PreparedStep PrepareOnDevice(StepVariant variant, bool randomWeights) =>
        throw new InvalidOperationException($"{Op} '{Node}' has no kernel for devices.");

    /// <summary>Whether the output may be written over input <paramref name="input"/> when nothing else needs that input.</summary>
    public virtual bool MayOverwrite(int input) => false;

    /// <summary>Whether the output is input 0 under another shape, so that no step is needed.</summary>
    public virtual bool IsView => false;

    /// <summary>Describes the step that a variant gives.</summary>
    public virtual StepSpec Describe(StepVariant variant, PlanContext context)
    {
        long bytes = 0;
        for (int i = 0; i < Inputs.Count; i++) bytes += Inputs[i].Bytes(variant.Inputs[i]);
        for (int i = 0; i < Outputs.Count; i++) bytes += Outputs[i].Bytes(variant.Outputs[i]);
        return new StepSpec
        {
            Node = Node,
            Op = Op,
            Kernel = variant.Kernel,
            Key = $"{Op}|{variant.Kernel}|{Operands(Inputs, variant.Inputs)}>{Operands(Outputs, variant.Outputs)}|{Attributes}|{Where(variant, context)}",
            Device = variant.Device?.Device.Description.Id ?? "cpu",
            Bytes = bytes,
            EstimatedMicroseconds = variant.Microseconds,
            Recipe = new StepRecipe(this, variant, context.Threads, context.Precision),
        };
    }

    /// <summary>What runs the step, as the end of a key: so many threads, or a device.</summary>
    protected static string Where(StepVariant variant, PlanContext context) =>
        variant.Device is { } candidate ? candidate.Device.Fingerprint : $"t{context.Threads}";

    /// <summary>The only way to run a step on a device: one kernel, or a few, on row-major operands.</summary>
    protected StepVariant DeviceStep(PlanContext context, string kernel)
    {
        const double LaunchMicroseconds = 5, BytesPerMicrosecond = 50_000;
        return StepCost.Uniform(this, kernel, ActivationLayout.Nchw, LaunchMicroseconds + (StepCost.Bytes(this) / BytesPerMicrosecond)) with
        {
            Device = new DeviceCandidate(context.Device!),
        };
    }

    private static string Operands(List<PlanValue> values, ActivationLayout[] layouts) =>
        string.Join('+', values.Select((value, i) =>
            $"{value.Type.ToString().ToLowerInvariant()}[{string.Join('x', value.Shape.Dimensions.ToArray())}]{layouts[i]}{(value.Constant is null ? "" : "!")}"));
}

/// <summary>What a spec needs to rebuild its step alone.</summary>
/// <param name="Operation">What is computed.</param>
/// <param name="Variant">How.</param>
/// <param name="Threads">Threads it was planned for.</param>
/// <param name="Precision">As of the plan.</param>
internal sealed record StepRecipe(Operation Operation, StepVariant Variant, int Threads, ProductPrecision Precision);

/// <summary>What planning depends on besides the graph.</summary>
/// <param name="Threads">Threads that share a step.</param>
/// <param name="Chooser">Source of measured times.</param>
/// <param name="ForcedKernel">Convolution kernel to use wherever it fits, or null.</param>
/// <param name="Precise">Whether kernels with a rounding error beyond that of summation are left out.</param>
/// <param name="Device">A device that runs what it has kernels for; null for the CPU alone.</param>
/// <param name="Strict">Whether an operation without a kernel for the device is an error.</param>
/// <param name="KeepsOutput">Whether outputs stay on the device.</param>
/// <param name="Precision">To what kernels of the device may round the factors of products.</param>
/// <param name="TakesInput">Whether inputs lie on the device from the start.</param>
internal sealed record PlanContext(
    int Threads, KernelChooser Chooser, string? ForcedKernel, bool Precise = false, ComputeDevice? Device = null, bool Strict = false, bool KeepsOutput = false,
    ProductPrecision Precision = ProductPrecision.Float32, bool TakesInput = false);

/// <summary>What runs a step on a device.</summary>
/// <param name="Device">The device.</param>
/// <param name="Kernel">The row of a convolution; null for other operations.</param>
/// <param name="Density">Density the row sees, in steps of 1/32.</param>
/// <param name="Key">Key of the step that it makes; empty for other operations.</param>
internal sealed record DeviceCandidate(ComputeDevice Device, DeviceConvKernel? Kernel = null, double Density = 1, string Key = "");

/// <summary>A convolution kernel for one layer.</summary>
/// <param name="Kernel">The registry row.</param>
/// <param name="Density">Density the row sees, in steps of 1/32.</param>
/// <param name="Key">The step's key.</param>
internal sealed record ConvCandidate(ConvKernel Kernel, double Density, string Key);
