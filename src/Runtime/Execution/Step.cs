using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;

namespace CoInference.Runtime.Execution;

/// <summary>One piece of work of a session, bound to memory. Allocates nothing when run unless it is a reference step.</summary>
internal abstract class Step
{
    /// <summary>Does the work on the memory the step was bound to.</summary>
    public abstract void Run();
}

/// <summary>A step that may find its input or leave its output elsewhere in each run: in memory of the session's caller.</summary>
internal interface IMovableStep
{
    /// <summary>Whether <see cref="MoveInput"/> moves input <paramref name="input"/>.</summary>
    bool CanMoveInput(int input);

    /// <summary>Whether <see cref="MoveOutput"/> may be called.</summary>
    bool CanMoveOutput { get; }

    /// <summary>Reads the movable input at an address from now on.</summary>
    void MoveInput(nint address);

    /// <summary>Writes the output to an address from now on.</summary>
    void MoveOutput(nint address);
}

/// <summary>Where a step's operands lie. Addresses stay valid as long as their owners are reachable.</summary>
/// <param name="Inputs">Address of each input, in the order of the operation.</param>
/// <param name="Outputs">Address of each output.</param>
/// <param name="Scratch">Scratch memory that no other step uses meanwhile; as large as the step asked for.</param>
/// <param name="Workers">Threads that share the work.</param>
internal sealed record StepBuffers(nint[] Inputs, nint[] Outputs, nint Scratch, WorkerSet Workers)
{
    /// <summary>The inputs in device memory, those of other types as the floats that their bytes reach into; the default for one in host memory.</summary>
    public DeviceView<float>[] DeviceInputs { get; init; } = [];

    /// <summary>The outputs in device memory, likewise.</summary>
    public DeviceView<float>[] DeviceOutputs { get; init; } = [];
}

/// <summary>A step with packed weights that can be bound to memory any number of times.</summary>
/// <param name="Bind">Binds the step.</param>
/// <param name="ScratchBytes">Scratch memory of one run for a number of threads.</param>
/// <param name="Weights">Device memory that the bound steps read; null for none.</param>
internal sealed record PreparedStep(Func<StepBuffers, Step> Bind, Func<int, long>? ScratchBytes = null, IDisposable? Weights = null);
