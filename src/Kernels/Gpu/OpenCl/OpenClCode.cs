namespace CoInference.Kernels.Gpu.OpenCl;

/// <summary>Numbers of the OpenCL 1.2 headers.</summary>
internal static class OpenClCode
{
    public const uint PlatformName = 0x0902;
    public const ulong DeviceTypeAll = 0xFFFFFFFF;
    public const uint DeviceMaxComputeUnits = 0x1002;
    public const uint DeviceMaxWorkGroupSize = 0x1004;
    public const uint DeviceMaxMemAllocSize = 0x1010;
    public const uint DeviceGlobalMemSize = 0x101F;
    public const uint DeviceLocalMemSize = 0x1023;
    public const uint DeviceAvailable = 0x1027;
    public const uint DeviceSingleFpConfig = 0x101B;
    public const uint DeviceName = 0x102B;
    public const uint DriverVersion = 0x102D;
    public const uint DeviceExtensions = 0x1030;
    public const uint DeviceVersion = 0x102F;
    public const uint DeviceHostUnifiedMemory = 0x1035;
    public const ulong FpCorrectlyRoundedDivideSqrt = 1 << 7;
    public const ulong QueueProfilingEnable = 1 << 1;
    public const ulong MemReadWrite = 1 << 0;
    public const ulong MemAllocHostPointer = 1 << 4;
    public const ulong MapRead = 1 << 0;
    public const ulong MapWrite = 1 << 1;
    public const uint ProgramBinarySizes = 0x1165;
    public const uint ProgramBinaries = 0x1166;
    public const uint ProgramBuildLog = 0x1183;
    public const uint KernelWorkGroupSize = 0x11B0;
    public const uint ProfilingCommandEnd = 0x1283;

    public const int DeviceNotAvailable = -2;
    public const int MemObjectAllocationFailure = -4;
    public const int OutOfResources = -5;
    public const int OutOfHostMemory = -6;
    public const int BuildProgramFailure = -11;
    public const int ExecStatusErrorForEventsInWaitList = -14;
    public const int InvalidCommandQueue = -36;
    public const int InvalidBufferSize = -61;
    public const int InvalidWorkGroupSize = -54;
    public const int InvalidWorkItemSize = -55;

    /// <summary>The kind of failure that a return code stands for.</summary>
    /// <param name="code">What the call returned.</param>
    /// <param name="call">Its name.</param>
    public static DeviceFailure Failure(int code, string call) => code switch
    {
        // Said while waiting, it means that a kernel crashed and took the queue with it.
        OutOfResources when call is "clFinish" or "clEnqueueReadBuffer" or "clEnqueueWriteBuffer" or "clWaitForEvents" => DeviceFailure.DeviceLost,
        MemObjectAllocationFailure or OutOfHostMemory or InvalidBufferSize or OutOfResources => DeviceFailure.OutOfMemory,
        InvalidCommandQueue => DeviceFailure.DeviceLost,
        BuildProgramFailure => DeviceFailure.BuildFailed,
        DeviceNotAvailable or ExecStatusErrorForEventsInWaitList => DeviceFailure.DeviceLost,
        InvalidWorkGroupSize or InvalidWorkItemSize => DeviceFailure.Unsupported,
        _ => DeviceFailure.Other,
    };
}
