namespace CoInference.Kernels.Gpu.Layers;

/// <summary>A row of the list of matrix product kernels for devices.</summary>
public abstract class DeviceGemmKernel
{
    /// <summary>Name for tables and for forcing a choice.</summary>
    public abstract string Name { get; }

    /// <summary>Whether the kernel can compute a product on a device.</summary>
    public abstract bool Supports(GemmShape shape, in GemmEpilogue epilogue, DeviceLimits limits);

    /// <summary>An analytic guess of the work, in the units of <see cref="DeviceConvKernel.Cost"/>.</summary>
    public abstract double Cost(GemmShape shape, DeviceLimits limits);

    /// <summary>Values that the kernel needs besides its operands.</summary>
    public virtual long WorkspaceValues(GemmShape shape, DeviceLimits limits) => 0;

    /// <summary>Sets the operands.</summary>
    /// <param name="device">The device.</param>
    /// <param name="shape">Sizes.</param>
    /// <param name="epilogue">What is fused into the store.</param>
    /// <param name="views">The matrices.</param>
    /// <param name="workspace">At least <see cref="WorkspaceValues"/> values from a multiple of four on, whose contents the launch destroys.</param>
    /// <exception cref="DeviceException">The kernel does not compile.</exception>
    public abstract DeviceLaunch Bind(ComputeDevice device, GemmShape shape, in GemmEpilogue epilogue, in GemmViews views, DeviceView<float> workspace);

    /// <summary>The name.</summary>
    public override string ToString() => Name;
}

/// <summary>The list of matrix product kernels for devices: the choice, the tests and the tables read it.</summary>
public static class DeviceGemmKernels
{
    /// <summary>All rows.</summary>
    public static IReadOnlyList<DeviceGemmKernel> All { get; } =
    [
        .. ProductTile.All.Select(tile => new TiledGemmKernel(tile)),
        .. ProductTile.OfSplits.Select(tile => new TiledGemmKernel(tile, splits: true)),
        new VectorGemmKernel(lanes: 32),
        new VectorGemmKernel(lanes: 128),
    ];

    /// <summary>The row with the lowest guess among those that need no memory besides their operands.</summary>
    /// <returns>null when none of them takes the product.</returns>
    public static DeviceGemmKernel? Choose(GemmShape shape, in GemmEpilogue epilogue, DeviceLimits limits)
    {
        ArgumentNullException.ThrowIfNull(shape);
        DeviceGemmKernel? best = null;
        foreach (DeviceGemmKernel row in All)
        {
            // A split needs memory between its kernels that whoever asks here does not own.
            if (row.Supports(shape, epilogue, limits) && row.WorkspaceValues(shape, limits) == 0 && (best is null || row.Cost(shape, limits) < best.Cost(shape, limits))) best = row;
        }

        return best;
    }
}
