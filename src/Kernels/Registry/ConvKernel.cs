using CoInference.Kernels.Devices;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Registry;

/// <summary>
/// One registry row: one way to run a convolution on the CPU. The dispatcher, the tests, the benchmarks and the
/// <c>kernels</c> verb all read <see cref="ConvKernels.All"/>; nothing else lists kernels.
/// </summary>
public abstract class ConvKernel
{
    /// <summary>Unique name, e.g. <c>conv.direct.v512</c>.</summary>
    public abstract string Name { get; }

    /// <summary>Weight form whose zeros the kernel skips.</summary>
    public abstract WeightForm Form { get; }

    /// <summary>Vector unit the kernel is written for.</summary>
    public abstract VectorWidth Width { get; }

    /// <summary>Register tile as shown in tables, e.g. <c>14x32</c> (pixels x output channels).</summary>
    public abstract string Tile { get; }

    /// <summary>
    /// For a kernel that computes by other sums than those of the definition: a bound of its rounding error, in units of
    /// 2^-24 x the largest |x| of the input x the largest sum of |w| of an output channel. Null for kernels that add the
    /// products themselves, in whatever order: their error is that of summation.
    /// </summary>
    public virtual double? ErrorUnits => null;

    /// <summary>Layout the kernel reads for this shape.</summary>
    public abstract ActivationLayout InputLayout(ConvShape shape);

    /// <summary>Layout the kernel writes, and the residual has, for this shape.</summary>
    public abstract ActivationLayout OutputLayout(ConvShape shape);

    /// <summary>Whether the kernel can run this shape on this CPU.</summary>
    public abstract bool Supports(ConvShape shape);

    /// <summary>
    /// Expected time in microseconds on one thread, from an analytic model; it ranks candidates when no measurement is
    /// cached.
    /// </summary>
    /// <param name="shape">The layer.</param>
    /// <param name="density">Share of stored units (weights or blocks) that are not zero, 0 to 1.</param>
    public double EstimateMicroseconds(ConvShape shape, double density) =>
        (Width == VectorWidth.Vector512 && CpuFeatures.SplitsVector512 ? SplitVectorFactor : 1) * ModelMicroseconds(shape, density);

    /// <summary>
    /// By how much a kernel of 512-bit vectors is slower where <see cref="CpuFeatures.SplitsVector512"/>. Less than two: loops, addresses
    /// and broadcasts do not take longer.
    /// </summary>
    protected virtual double SplitVectorFactor => 1.4;

    /// <summary>The model's time on a CPU that runs all its vectors at the same rate; parameters as in <see cref="EstimateMicroseconds"/>.</summary>
    protected abstract double ModelMicroseconds(ConvShape shape, double density);

    /// <summary>Packs the weights once for repeated runs. The arrays are not kept.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="epilogue">What is fused into the store.</param>
    /// <param name="weights">[OutChannels, InChannels / Groups, KernelHeight, KernelWidth].</param>
    /// <param name="bias">[OutChannels], or empty for no bias.</param>
    /// <exception cref="ArgumentException">A length does not fit the shape, or the kernel does not support it.</exception>
    public abstract PreparedConv Prepare(ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias);
}

/// <summary>A convolution with packed weights. Runs may overlap when each has scratch memory of its own.</summary>
public abstract unsafe class PreparedConv
{
    /// <summary>Scratch memory one run needs, in bytes, for a set of <paramref name="threads"/> workers.</summary>
    public abstract long ScratchBytes(int threads);

    /// <summary>Bytes of packed weights that one run reads.</summary>
    public abstract long WeightBytes { get; }

    /// <summary>Multiply-accumulates that one run really does, padding of channels excluded.</summary>
    public abstract long MultiplyAdds { get; }

    /// <summary>
    /// Whether nothing beside the input is read and operands need no more alignment than floats, so that they may lie in
    /// memory that is not this library's. Otherwise a vector before and after the input must be readable.
    /// </summary>
    public virtual bool AcceptsForeignMemory => false;

    /// <summary>Runs the convolution. Allocates nothing.</summary>
    /// <param name="input">Activation in the row's input layout, 64-byte aligned.</param>
    /// <param name="residual">Activation in the row's output layout, or null when the epilogue has none. May equal <paramref name="output"/>.</param>
    /// <param name="output">Activation in the row's output layout, 64-byte aligned; does not overlap the input.</param>
    /// <param name="scratch">At least <see cref="ScratchBytes"/> bytes, 64-byte aligned.</param>
    /// <param name="workers">Threads that share the work.</param>
    public abstract void Run(float* input, float* residual, float* output, byte* scratch, WorkerSet workers);
}
