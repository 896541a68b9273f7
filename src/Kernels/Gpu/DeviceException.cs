namespace CoInference.Kernels.Gpu;

/// <summary>What kind of failure a device reports.</summary>
public enum DeviceFailure
{
    /// <summary>Any other.</summary>
    Other,

    /// <summary>Not enough device or host memory.</summary>
    OutOfMemory,

    /// <summary>A program does not compile.</summary>
    BuildFailed,

    /// <summary>The device is gone, or in a state that only a new process can leave.</summary>
    DeviceLost,

    /// <summary>The device lacks what a kernel needs: group size, shared memory, a feature.</summary>
    Unsupported,
}

/// <summary>A call to a device failed.</summary>
/// <param name="device">The device's id, <c>opencl:0</c>.</param>
/// <param name="failure">What kind of failure.</param>
/// <param name="call">The call of the driver that failed.</param>
/// <param name="code">What the driver returned.</param>
/// <param name="detail">What else helps: sizes, the kernel's name, the compiler's message.</param>
public sealed class DeviceException(string device, DeviceFailure failure, string call, int code, string detail)
    : Exception($"Device {device}: {detail} ({call} returned {code}).")
{
    /// <summary>The device's id.</summary>
    public string Device { get; } = device;

    /// <summary>What kind of failure.</summary>
    public DeviceFailure Failure { get; } = failure;

    /// <summary>The call of the driver that failed.</summary>
    public string Call { get; } = call;

    /// <summary>What the driver returned.</summary>
    public int Code { get; } = code;
}
