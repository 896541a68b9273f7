namespace CoInference.Kernels.Gpu.Cuda;

/// <summary>Numbers of the headers of the CUDA driver and of NVRTC.</summary>
internal static class CudaCode
{
    public const int DeviceMaxThreadsPerBlock = 1;
    public const int DeviceMaxSharedMemoryPerBlock = 8;
    public const int DeviceMultiprocessorCount = 16;
    public const int DeviceComputeCapabilityMajor = 75;
    public const int DeviceComputeCapabilityMinor = 76;
    public const int DeviceMaxSharedMemoryPerBlockOptin = 97;
    public const int FunctionMaxThreadsPerBlock = 0;
    public const int FunctionMaxDynamicSharedSize = 8;
    public const uint StreamNonBlocking = 1;
    public const uint EventDisableTiming = 2;
    public const int CaptureModeThreadLocal = 1;

    /// <summary>Groups along y and z of a launch.</summary>
    public const int MaxGroupsYz = 65_535;

    /// <summary>Shared memory that a kernel may use without asking for more.</summary>
    public const int SharedBytesByDefault = 48 * 1024;

    public const int OutOfMemory = 2;
    public const int DeviceUnavailable = 46;
    public const int NoDevice = 100;
    public const int InvalidImage = 200;
    public const int NoBinaryForGpu = 209;
    public const int EccUncorrectable = 214;
    public const int InvalidPtx = 218;
    public const int UnsupportedPtxVersion = 222;
    public const int IllegalAddress = 700;
    public const int LaunchOutOfResources = 701;
    public const int LaunchTimeout = 702;
    public const int ContextIsDestroyed = 709;
    public const int Assert = 710;
    public const int HardwareStackError = 714;
    public const int LaunchFailed = 719;

    public const int NvrtcOutOfMemory = 1;
    public const int NvrtcCompilation = 6;

    /// <summary>The kind of failure that a return code of the driver stands for.</summary>
    public static DeviceFailure Failure(int code) => code switch
    {
        OutOfMemory => DeviceFailure.OutOfMemory,
        InvalidImage or InvalidPtx => DeviceFailure.BuildFailed,
        NoBinaryForGpu or UnsupportedPtxVersion or LaunchOutOfResources => DeviceFailure.Unsupported,
        // After these every call that uses the context fails, until the process ends.
        DeviceUnavailable or NoDevice or EccUncorrectable or IllegalAddress or LaunchTimeout or ContextIsDestroyed or Assert
            or (>= HardwareStackError and <= LaunchFailed) => DeviceFailure.DeviceLost,
        _ => DeviceFailure.Other,
    };

    /// <summary>The kind of failure that a return code of NVRTC stands for.</summary>
    public static DeviceFailure CompilerFailure(int code) => code == NvrtcOutOfMemory ? DeviceFailure.OutOfMemory : DeviceFailure.BuildFailed;
}
