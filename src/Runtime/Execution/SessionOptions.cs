using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;

namespace CoInference.Runtime.Execution;

/// <summary>How a <see cref="Session"/> is compiled and run.</summary>
public sealed record SessionOptions
{
    /// <summary>Images per run: the size of every symbolic first dimension of the graph. At least 1.</summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>
    /// Threads that share each step when <see cref="Workers"/> is null: the session then owns a worker set of this
    /// size. At least 1.
    /// </summary>
    public int Threads { get; init; } = 1;

    /// <summary>A worker set to run on instead of one of the session's own; the caller keeps ownership.</summary>
    public WorkerSet? Workers { get; init; }

    /// <summary>Where kernel choices come from.</summary>
    public KernelChooser Chooser { get; init; } = KernelChooser.Default;

    /// <summary>Whether every node runs on the scalar reference kernels: slow, and the oracle for everything else.</summary>
    public bool Reference { get; init; }

    /// <summary>
    /// Name of a convolution kernel (see <c>ConvKernels.All</c>) to use wherever it supports the layer, in place of the
    /// chooser's pick; null for the pick.
    /// </summary>
    public string? ForcedKernel { get; init; }

    /// <summary>
    /// Whether layers run only on kernels that add the products of the definition: Winograd kernels, whose rounding error is
    /// larger (see <c>ConvKernel.ErrorUnits</c>), are left out.
    /// </summary>
    public bool Precise { get; init; }

    /// <summary>
    /// A device that runs every step it has a kernel for; the others run on the CPU, with copies in between that
    /// <see cref="Session.Steps"/> shows. Null for the CPU alone. The caller keeps ownership.
    /// </summary>
    public ComputeDevice? Device { get; init; }

    /// <summary>Whether a step that <see cref="Device"/> has no kernel for is an error.</summary>
    public bool Strict { get; init; }

    /// <summary>
    /// Whether the output stays on <see cref="Device"/>, as <see cref="Session.DeviceOutput"/>, and runs copy none of it; for a
    /// network of one float output whose shape is known.
    /// </summary>
    internal bool KeepsOutputOnDevice { get; init; }

    /// <summary>Threads that share a step: of <see cref="Workers"/> when given, else <see cref="Threads"/>.</summary>
    internal int EffectiveThreads => Workers?.Threads ?? Threads;

    /// <exception cref="ArgumentOutOfRangeException">A number is below 1.</exception>
    /// <exception cref="ArgumentException">Reference kernels are asked for on a device.</exception>
    internal void Validate()
    {
        if (Reference && Device is not null) throw new ArgumentException("The scalar reference kernels run on the CPU only.");
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Threads, 1);
    }
}
