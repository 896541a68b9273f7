namespace CoInference.Kernels.Gpu.Layers;

/// <summary>Finds the smallest and largest values of a batch of features on a device, per channel or of all.</summary>
public sealed class DeviceRanges : IDisposable
{
    private const int Threads = 256;

    // Each thread of the first pass sees about this many values; the second pass reads what is left.
    private const int ValuesPerThread = 16;
    private const int MaxSplits = 256;
    private readonly DeviceBuffer _partial;
    private readonly DeviceBuffer _result;
    private readonly int _runs;

    /// <summary>Sets the operands.</summary>
    /// <param name="device">The device.</param>
    /// <param name="features">[image][channel][pixel].</param>
    /// <param name="images">Images.</param>
    /// <param name="channels">Channels.</param>
    /// <param name="perChannel">Whether each channel has a range of its own.</param>
    /// <exception cref="ArgumentException">The values are no whole number of planes.</exception>
    /// <exception cref="DeviceException">Out of memory.</exception>
    public DeviceRanges(ComputeDevice device, DeviceView<float> features, int images, int channels, bool perChannel)
    {
        ArgumentNullException.ThrowIfNull(device);
        int pixels = features.Length / (images * channels);
        if (pixels == 0 || pixels * images * channels != features.Length) throw new ArgumentException($"{features.Length} values are no {images} images of {channels} channels.", nameof(features));
        _runs = perChannel ? channels : 1;
        (int pieces, int length, int stride, int runStride) = perChannel ? (images, pixels, channels * pixels, pixels) : (1, features.Length, 0, 0);
        int splits = (int)Math.Clamp((long)pieces * length / (Threads * ValuesPerThread), 1, MaxSplits);
        _partial = device.Allocate(2L * sizeof(float) * _runs * splits);
        _result = device.Allocate(2L * sizeof(float) * _runs);
        DeviceView<float> minima = _partial.View<float>(0, _runs * splits), maxima = _partial.View<float>(_runs * splits, _runs * splits);
        var join = new DeviceLaunch(FeatureQuantization_Range.Bind(device, minima, maxima, Minimum, Maximum, 1, splits, 0, splits), new LaunchShape(1, _runs, 1, Threads));
        Launch = new DeviceLaunch(
            FeatureQuantization_Range.Bind(device, features, features, minima, maxima, pieces, length, stride, runStride), new LaunchShape(splits, _runs, 1, Threads), join);
    }

    /// <summary>The kernels that find the ranges, for timing; the results stay on the device. Owned by this object.</summary>
    public DeviceLaunch Launch { get; }

    /// <summary>Where the launch leaves the smallest values, one per channel or one.</summary>
    public DeviceView<float> Minimum => _result.View<float>(0, _runs);

    /// <summary>Where the launch leaves the largest values, likewise.</summary>
    public DeviceView<float> Maximum => _result.View<float>(_runs, _runs);

    /// <summary>Finds the ranges of what the features are now; waits.</summary>
    /// <returns>One range per channel, or one; NaN where a value is NaN.</returns>
    public (float Minimum, float Maximum)[] Find()
    {
        Launch.Run();
        var ends = new float[2 * _runs];
        _result.Read(System.Runtime.InteropServices.MemoryMarshal.AsBytes(ends.AsSpan()));
        var ranges = new (float, float)[_runs];
        for (int i = 0; i < _runs; i++) ranges[i] = (ends[i], ends[_runs + i]);
        return ranges;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Launch.Dispose();
        _partial.Dispose();
        _result.Dispose();
    }
}
