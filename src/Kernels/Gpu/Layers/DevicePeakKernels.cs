namespace CoInference.Kernels.Gpu.Layers;

/// <summary>Launches whose times are a device's peaks.</summary>
public static class DevicePeakKernels
{
    private const int Threads = 256;

    /// <summary>A copy on the device: 8 bytes moved per value.</summary>
    /// <param name="device">The device.</param>
    /// <param name="source">A multiple of four values, from a multiple of four on.</param>
    /// <param name="target">As many.</param>
    /// <exception cref="ArgumentException">The views are of other lengths or offsets.</exception>
    /// <exception cref="DeviceException">The kernel does not compile.</exception>
    public static DeviceLaunch Copy(ComputeDevice device, DeviceView<float> source, DeviceView<float> target)
    {
        if (source.Length != target.Length || source.Length % 4 != 0 || source.Offset % 4 != 0 || target.Offset % 4 != 0)
            throw new ArgumentException($"Views of {source.Length} and {target.Length} values from {source.Offset} and {target.Offset} on are not of the same whole fours.", nameof(target));
        return new DeviceLaunch(Peaks_Copy.Bind(device, source, target, source.Length / 4), LaunchShape.Linear(source.Length / 4, Threads));
    }

    /// <summary>Fused multiply-adds out of registers, <see cref="MultiplyAdds"/> of them.</summary>
    /// <param name="device">The device.</param>
    /// <param name="target">Receives one value per thread; a multiple of 256 values.</param>
    /// <param name="steps">Length of a chain, a multiple of 16.</param>
    /// <exception cref="ArgumentException">A number is no such multiple.</exception>
    /// <exception cref="DeviceException">The kernel does not compile.</exception>
    public static DeviceLaunch MultiplyAdd(ComputeDevice device, DeviceView<float> target, int steps)
    {
        if (target.Length % Threads != 0 || steps % 16 != 0) throw new ArgumentException($"{target.Length} threads and {steps} steps are no multiples of {Threads} and 16.", nameof(steps));
        return new DeviceLaunch(Peaks_MultiplyAdd.Bind(device, target, 0.5f, steps), LaunchShape.Linear(target.Length, Threads));
    }

    /// <summary>Multiply-adds of one such launch.</summary>
    /// <param name="threads">Values of its target.</param>
    /// <param name="steps">Length of a chain.</param>
    public static long MultiplyAdds(int threads, int steps) => 8L * threads * steps;
}
