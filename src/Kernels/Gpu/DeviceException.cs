using System.Globalization;

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

/// <summary>A device cannot do what is asked, or a call to it failed.</summary>
public sealed class DeviceException : Exception
{
    /// <summary>A call of the driver failed.</summary>
    /// <param name="device">The device's id, <c>opencl:0</c>.</param>
    /// <param name="failure">What kind of failure.</param>
    /// <param name="call">The call of the driver that failed.</param>
    /// <param name="code">What the driver returned.</param>
    /// <param name="detail">What else helps: sizes, the kernel's name, the compiler's message.</param>
    public DeviceException(string device, DeviceFailure failure, string call, int code, string detail)
        : base(string.Create(CultureInfo.InvariantCulture, $"Device {device}: {detail} ({call} returned {code})."))
    {
        (Device, Failure, Call, Code) = (device, failure, call, code);
    }

    /// <summary>The device cannot do it, as is known without a call.</summary>
    /// <param name="device">The device's id, <c>opencl:0</c>.</param>
    /// <param name="failure">What kind of failure.</param>
    /// <param name="detail">What is missing, with sizes.</param>
    public DeviceException(string device, DeviceFailure failure, string detail)
        : base($"Device {device}: {detail}.")
    {
        (Device, Failure, Call) = (device, failure, "");
    }

    /// <summary>The device's id.</summary>
    public string Device { get; }

    /// <summary>What kind of failure.</summary>
    public DeviceFailure Failure { get; }

    /// <summary>The call of the driver that failed; empty when none was made.</summary>
    public string Call { get; }

    /// <summary>What the driver returned.</summary>
    public int Code { get; }
}
