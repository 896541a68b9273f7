using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>A row of the list of convolution kernels of 8-bit integers for devices: the product with one choice of tiles.</summary>
public sealed class DeviceIntegerConvKernel
{
    private readonly ProductTile _tile;

    internal DeviceIntegerConvKernel(ProductTile tile) => _tile = tile;

    /// <summary>Name for tables.</summary>
    public string Name => $"conv.integer.{_tile}";

    /// <summary>Whether the kernel can compute a layer on a device: its sums fit 32 bits, its extents a launch and its tiles the device.</summary>
    public bool Supports(ConvShape shape, DeviceLimits limits)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(limits);
        return DeviceIntegerConv.Supports(shape) && _tile.Threads <= limits.MaxGroupThreads && _tile.SharedBytes(padding: 0) <= limits.SharedBytes;
    }

    /// <summary>An analytic guess of the work, for the choice among these rows; see <see cref="DeviceConvKernel.Cost"/>.</summary>
    public double Cost(ConvShape shape, DeviceLimits limits)
    {
        ArgumentNullException.ThrowIfNull(shape);
        int quads = ProductTile.Tiles(shape.InChannels / shape.Groups, 4);
        long pixels = (long)shape.Batch * shape.OutHeight * shape.OutWidth;
        long groups = (long)ProductTile.Tiles(shape.OutChannels / shape.Groups, _tile.M) * ProductTile.Tiles(pixels, _tile.N) * shape.Groups;
        return _tile.Cost(groups, quads * shape.KernelHeight * shape.KernelWidth, limits);
    }

    /// <summary>Packs the weights and moves them to the device.</summary>
    /// <param name="device">The device.</param>
    /// <param name="shape">The layer.</param>
    /// <param name="weights">[output channel][input channel of the group][row][column], the zero point subtracted.</param>
    /// <param name="bias">One value per output channel, in units of the sums; empty for none.</param>
    /// <param name="isSigned">Whether input bytes are signed.</param>
    /// <param name="zeroPoint">Zero point of the input.</param>
    /// <exception cref="ArgumentException">The layer is not supported, or the lengths do not fit it.</exception>
    /// <exception cref="DeviceException">Out of memory.</exception>
    public DeviceIntegerConv Prepare(ComputeDevice device, ConvShape shape, ReadOnlySpan<sbyte> weights, ReadOnlySpan<int> bias, bool isSigned, int zeroPoint)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(shape);
        return new DeviceIntegerConv(device, _tile, shape, weights, bias, isSigned, zeroPoint);
    }

    /// <summary>The name.</summary>
    public override string ToString() => Name;
}

/// <summary>The list of convolution kernels of 8-bit integers for devices: the choice, the tests and the tables read it.</summary>
public static class DeviceIntegerConvKernels
{
    /// <summary>All rows.</summary>
    public static IReadOnlyList<DeviceIntegerConvKernel> All { get; } = [.. ProductTile.All.Select(tile => new DeviceIntegerConvKernel(tile))];

    /// <summary>The row with the lowest guess for a layer.</summary>
    /// <returns>null when no row takes the layer.</returns>
    public static DeviceIntegerConvKernel? Choose(ConvShape shape, DeviceLimits limits) =>
        All.Where(kernel => kernel.Supports(shape, limits)).MinBy(kernel => kernel.Cost(shape, limits));
}
