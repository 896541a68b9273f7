using CoInference.Kernels.Gpu.Programs;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>A row of the list of convolution kernels for devices.</summary>
public abstract class DeviceConvKernel
{
    // Of the devices' limits for the extents of a launch the smallest: CUDA's for y and z.
    internal const int MostGroupsAlongZ = 65_535;

    // What it costs to move a float, in fused multiply-adds: what GPUs can do of these while one float comes from memory.
    internal const double PerValueMoved = 20;

    /// <summary>Name for tables and for forcing a choice.</summary>
    public abstract string Name { get; }

    /// <summary>Form of the weights that are visited.</summary>
    public abstract WeightForm Form { get; }

    /// <summary>To what the factors of its products are rounded.</summary>
    public virtual ProductPrecision Precision => ProductPrecision.Float32;

    /// <summary>
    /// For a kernel that computes by other sums than those of the definition: a bound of its rounding error, in the units of
    /// <see cref="ConvKernel.ErrorUnits"/>. Null for kernels that add the products themselves, in whatever order.
    /// </summary>
    public virtual double? ErrorUnits => null;

    /// <summary>Largest relative error of a factor that was rounded to <see cref="Precision"/>.</summary>
    public double FactorRoundoff => Precision switch
    {
        ProductPrecision.Tf32 or ProductPrecision.Float16 => 1.0 / (1 << 11),
        ProductPrecision.BFloat16 => 1.0 / (1 << 8),
        _ => 0,
    };

    /// <summary>Whether the kernel can compute a layer on a device.</summary>
    public abstract bool Supports(ConvShape shape, DeviceLimits limits);

    /// <summary>
    /// An analytic guess of the work in arbitrary units, for the choice where nothing was measured: products, padding of tiles
    /// included, times what one costs, divided by the share of the device that has work.
    /// </summary>
    /// <param name="shape">The layer.</param>
    /// <param name="density">Share of weights, or blocks, that the kernel visits.</param>
    /// <param name="limits">The device.</param>
    public abstract double Cost(ConvShape shape, double density, DeviceLimits limits);

    /// <summary>Packs weights and moves them to the device.</summary>
    /// <param name="device">The device.</param>
    /// <param name="shape">The layer.</param>
    /// <param name="epilogue">What is fused into the store.</param>
    /// <param name="weights">[output channel][input channel of the group][row][column].</param>
    /// <param name="bias">One value per output channel.</param>
    /// <exception cref="DeviceException">Out of memory.</exception>
    public abstract DeviceConvLayer Prepare(ComputeDevice device, ConvShape shape, Epilogue epilogue, ReadOnlySpan<float> weights, ReadOnlySpan<float> bias);

    /// <summary>The name.</summary>
    public override string ToString() => Name;

    /// <summary>The sizes as kernels take them.</summary>
    internal static ConvGeometry Geometry(ConvShape shape, Epilogue epilogue, int paddedOutChannels)
    {
        (float minimum, float maximum) = Bounds(epilogue);
        return new ConvGeometry
        {
            Batch = shape.Batch,
            Groups = shape.Groups,
            InChannels = shape.InChannels / shape.Groups,
            InHeight = shape.InHeight,
            InWidth = shape.InWidth,
            OutChannels = shape.OutChannels / shape.Groups,
            PaddedOutChannels = paddedOutChannels,
            OutHeight = shape.OutHeight,
            OutWidth = shape.OutWidth,
            KernelHeight = shape.KernelHeight,
            KernelWidth = shape.KernelWidth,
            StrideY = shape.StrideY,
            StrideX = shape.StrideX,
            DilationY = shape.DilationY,
            DilationX = shape.DilationX,
            PadTop = shape.PadTop,
            PadLeft = shape.PadLeft,
            Minimum = minimum,
            Maximum = maximum,
        };
    }

    /// <summary>The bounds of a layer's results; infinite without an activation.</summary>
    internal static (float Minimum, float Maximum) Bounds(Epilogue epilogue) =>
        epilogue.Activation == FusedActivation.Clamp ? (epilogue.Minimum, epilogue.Maximum) : (float.NegativeInfinity, float.PositiveInfinity);

    /// <summary>Values of the output.</summary>
    internal static long OutputCount(ConvShape shape) => (long)shape.Batch * shape.OutChannels * shape.OutHeight * shape.OutWidth;

    /// <summary>Taps of one output channel.</summary>
    internal static int TapCount(ConvShape shape) => shape.InChannels / shape.Groups * shape.KernelHeight * shape.KernelWidth;

    /// <summary>Whether a kernel has more places than a mask has bits.</summary>
    internal static bool IsWide(ConvShape shape) => shape.KernelHeight * shape.KernelWidth > 32;

    /// <summary>Where a tap reads: offset in the input of a group relative to the first tap, and its place as <see cref="Patch"/> takes it.</summary>
    internal static (int Offset, int Place) Place(ConvShape shape, int tap)
    {
        (int channel, int place) = Math.DivRem(tap, shape.KernelHeight * shape.KernelWidth);
        (int ky, int kx) = Math.DivRem(place, shape.KernelWidth);
        int row = ky * shape.DilationY, column = kx * shape.DilationX;
        int offset = (channel * shape.InHeight * shape.InWidth) + (row * shape.InWidth) + column;
        return (offset, IsWide(shape) ? (row << 16) | column : 1 << place);
    }
}

/// <summary>A convolution with its weights on a device.</summary>
public abstract class DeviceConvLayer : IDisposable
{
    private const int Threads = 256;
    private readonly List<DeviceBuffer> _owned = [];

    /// <summary>Values that the layer needs between its kernels; the layers of a network, which run one after the other, can share them.</summary>
    public virtual long WorkspaceValues => 0;

    /// <summary>Sets the operands; takes memory of its own for what lies between its kernels.</summary>
    /// <param name="input">NCHW.</param>
    /// <param name="residual">Laid out as the output; ignored when the epilogue has none.</param>
    /// <param name="output">NCHW; may be the residual's memory.</param>
    /// <exception cref="DeviceException">Out of memory, or a kernel does not compile.</exception>
    public DeviceLaunch Bind(DeviceView<float> input, DeviceView<float> residual, DeviceView<float> output)
    {
        DeviceView<float> workspace = default;
        if (WorkspaceValues > 0)
        {
            DeviceBuffer buffer = Device.Allocate(sizeof(float) * WorkspaceValues);
            _owned.Add(buffer);
            workspace = buffer.View<float>();
        }

        return Bind(input, residual, output, workspace);
    }

    /// <summary>Sets the operands.</summary>
    /// <param name="input">NCHW.</param>
    /// <param name="residual">Laid out as the output; ignored when the epilogue has none.</param>
    /// <param name="output">NCHW; may be the residual's memory.</param>
    /// <param name="workspace">At least <see cref="WorkspaceValues"/> values from a multiple of four on, whose contents the launch destroys.</param>
    /// <exception cref="DeviceException">A kernel does not compile.</exception>
    public abstract DeviceLaunch Bind(DeviceView<float> input, DeviceView<float> residual, DeviceView<float> output, DeviceView<float> workspace);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>The device.</summary>
    protected abstract ComputeDevice Device { get; }

    /// <summary>Moves constants to the device, which the layer frees with itself.</summary>
    private protected DeviceBuffer Upload<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        DeviceBuffer buffer = DeviceMemory.Upload(Device, values);
        _owned.Add(buffer);
        return buffer;
    }

    /// <summary>The launch that sums what splits left in the workspace (<see cref="Convolution.Join"/>).</summary>
    private protected DeviceLaunch Join(
        ConvShape shape, Epilogue epilogue, int splits, DeviceView<float> workspace, DeviceView<float> bias, DeviceView<float> residual, DeviceView<float> output)
    {
        (float minimum, float maximum) = DeviceConvKernel.Bounds(epilogue);
        int count = checked((int)DeviceConvKernel.OutputCount(shape));
        DeviceKernel kernel = Convolution_Join.Bind(
            Device, workspace, bias, residual, output, splits, count, shape.OutHeight * shape.OutWidth, shape.OutChannels, minimum, maximum, epilogue.HasResidual ? 1 : 0);
        return new DeviceLaunch(kernel, LaunchShape.Linear(count, Threads));
    }

    /// <summary>Frees the weights.</summary>
    protected virtual void Dispose(bool disposing)
    {
        foreach (DeviceBuffer buffer in _owned) buffer.Dispose();
        _owned.Clear();
    }
}
