using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Quantized;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>A row of the list of convolution kernels of 8-bit integers for devices.</summary>
public abstract class DeviceIntegerConvKernel
{
    /// <summary>Name for tables.</summary>
    public abstract string Name { get; }

    /// <summary>Whether the kernel can compute a layer on a device: its sums fit 32 bits, its extents a launch and its tiles the device.</summary>
    public abstract bool Supports(ConvShape shape, DeviceLimits limits);

    /// <summary>An analytic guess of the work, for the choice among these rows; see <see cref="DeviceConvKernel.Cost"/>.</summary>
    public abstract double Cost(ConvShape shape, DeviceLimits limits);

    /// <summary>Packs the weights and moves them to the device.</summary>
    /// <param name="device">The device.</param>
    /// <param name="shape">The layer; one that <see cref="Supports"/> takes.</param>
    /// <param name="weights">[output channel][input channel of the group][row][column], the zero point subtracted.</param>
    /// <param name="bias">One value per output channel, in units of the sums; empty for none.</param>
    /// <param name="isSigned">Whether input bytes are signed.</param>
    /// <exception cref="ArgumentException">The lengths do not fit the layer.</exception>
    /// <exception cref="DeviceException">Out of memory.</exception>
    public abstract DeviceIntegerConv Prepare(ComputeDevice device, ConvShape shape, ReadOnlySpan<sbyte> weights, ReadOnlySpan<int> bias, bool isSigned);

    /// <summary>The name.</summary>
    public override string ToString() => Name;

    /// <summary>Whether any row can run a layer: its sums fit 32 bits and its extents a launch.</summary>
    private protected static bool FitsAny(ConvShape shape) =>
        DeviceConvKernel.TapCount(shape) <= IntegerConv.MaximumTaps && shape.Batch <= DeviceConvKernel.MostGroupsAlongZ
        && shape.InChannels <= DeviceConvKernel.MostGroupsAlongZ && shape.Groups <= DeviceConvKernel.MostGroupsAlongZ;
}

/// <summary>The list of convolution kernels of 8-bit integers for devices: the choice, the tests and the tables read it.</summary>
public static class DeviceIntegerConvKernels
{
    /// <summary>All rows.</summary>
    public static IReadOnlyList<DeviceIntegerConvKernel> All { get; } = [.. ProductTile.All.Select(tile => new TiledIntegerConvKernel(tile)), new DirectIntegerConvKernel()];

    /// <summary>The row with the lowest guess for a layer.</summary>
    /// <returns>null when no row takes the layer.</returns>
    public static DeviceIntegerConvKernel? Choose(ConvShape shape, DeviceLimits limits) =>
        All.Where(kernel => kernel.Supports(shape, limits)).MinBy(kernel => kernel.Cost(shape, limits));
}
