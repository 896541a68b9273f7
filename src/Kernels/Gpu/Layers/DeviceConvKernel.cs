using CoInference.Kernels.Gpu.Programs;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>A row of the list of convolution kernels for devices.</summary>
public abstract class DeviceConvKernel
{
    /// <summary>Name for tables and for forcing a choice.</summary>
    public abstract string Name { get; }

    /// <summary>Form of the weights that are visited.</summary>
    public abstract WeightForm Form { get; }

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
        bool clamps = epilogue.Activation == FusedActivation.Clamp;
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
            Minimum = clamps ? epilogue.Minimum : float.NegativeInfinity,
            Maximum = clamps ? epilogue.Maximum : float.PositiveInfinity,
        };
    }

    /// <summary>Taps of one output channel.</summary>
    internal static int TapCount(ConvShape shape) => shape.InChannels / shape.Groups * shape.KernelHeight * shape.KernelWidth;

    /// <summary>Where a tap reads: offset in the input of a group, row and column relative to the first tap.</summary>
    internal static (int Offset, int Row, int Column) Tap(ConvShape shape, int tap)
    {
        int kernel = shape.KernelHeight * shape.KernelWidth;
        (int channel, int place) = Math.DivRem(tap, kernel);
        (int ky, int kx) = Math.DivRem(place, shape.KernelWidth);
        int row = ky * shape.DilationY, column = kx * shape.DilationX;
        return ((channel * shape.InHeight * shape.InWidth) + (row * shape.InWidth) + column, row, column);
    }
}

/// <summary>A convolution with its weights on a device.</summary>
public abstract class DeviceConvLayer : IDisposable
{
    /// <summary>Sets the operands.</summary>
    /// <param name="input">NCHW.</param>
    /// <param name="residual">Laid out as the output; ignored when the epilogue has none.</param>
    /// <param name="output">NCHW; may be the residual's memory.</param>
    public abstract DeviceLaunch Bind(DeviceView<float> input, DeviceView<float> residual, DeviceView<float> output);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the weights.</summary>
    protected abstract void Dispose(bool disposing);
}
