using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;

namespace CoInference.Runtime.Execution;

/// <summary>How a <see cref="Session"/> is compiled and run.</summary>
public sealed record SessionOptions
{
    /// <summary>Images per run: the size of every symbolic first dimension of the graph. At least 1.</summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>
    /// Threads that share each step when <see cref="Workers"/> is null: the session then owns a worker set of this
    /// size. At least 1. A graph of so little work that handing it over takes longer runs on one thread all the same.
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
    /// To what kernels of <see cref="Device"/> may round the factors of convolutions, for tensor cores; sums are float32 always. The
    /// faster of these and the kernels that do not round is taken. Kernels of the CPU do not round.
    /// </summary>
    public ProductPrecision Precision { get; init; }

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

    /// <summary>
    /// Whether the input is written to <see cref="Device"/> by the caller, as <see cref="Session.DeviceInput"/>, and runs copy none of it;
    /// for a network of one float input whose shape is known.
    /// </summary>
    internal bool TakesInputOnDevice { get; init; }

    /// <summary>
    /// Packed weights to share with the sessions of other parts of the same network; null for weights of the session's own. Sessions
    /// of another network must not use it.
    /// </summary>
    public SharedWeights? SharedWeights { get; init; }

    /// <summary>Whether threads share even a graph of so little work that it would be faster on one; for checks of the sharing.</summary>
    internal bool SharesSmallGraphs { get; init; }

    /// <summary>Threads that share a step: of <see cref="Workers"/> when given, else <see cref="Threads"/>.</summary>
    internal int EffectiveThreads => Workers?.Threads ?? Threads;

    /// <exception cref="ArgumentOutOfRangeException">A number is below 1.</exception>
    /// <exception cref="ArgumentException">Reference kernels are asked for on a device, or rounded factors without one or of precise kernels.</exception>
    internal void Validate()
    {
        if (Precision != ProductPrecision.Float32)
        {
            if (Device is null) throw new ArgumentException($"Kernels of the CPU do not round their factors to {Precision}; only a device's do.");
            if (Precise) throw new ArgumentException($"Precise kernels do not round their factors to {Precision}.");
        }

        if (Reference && Device is not null) throw new ArgumentException("The scalar reference kernels run on the CPU only.");
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(Threads, 1);
    }
}
