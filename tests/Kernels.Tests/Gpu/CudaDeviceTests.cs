using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Cuda;

namespace CoInference.Kernels.Tests.Gpu;

/// <summary>The CUDA backend against the simulated driver, which counts calls and fails when it is told to.</summary>
[Collection("devices")]
public sealed class CudaDeviceTests : IDisposable
{
    public void Dispose()
    {
        try
        {
            CudaSimulator.Reset();
        }
        catch (SkipException)
        {
            // Nothing was built, and so nothing ordered.
        }
    }

    [SkippableFact]
    public void A_driver_that_does_not_start_has_no_devices()
    {
        CudaApi api = CudaSimulator.Api;
        Assert.Equal("cuda:0", Assert.Single(CudaDevices.Enumerate(api)).Id);
        CudaSimulator.Fail("cuInit", 100);
        Assert.Empty(CudaDevices.Enumerate(api));
        Assert.Null(CudaApi.Load("libcuda-that-is-not-there.so"));
        var failure = Assert.Throws<ArgumentException>(() => CudaDevices.Open(api, null, 1, null));
        Assert.Contains("There is no device cuda:1; the driver lists 1 devices", failure.Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Describes_capability_driver_and_limits()
    {
        using ComputeDevice device = CudaSimulator.Open();
        Assert.Contains("compute capability 8.0, driver 12.4, 108 multiprocessors", device.Description.Detail, StringComparison.Ordinal);
        Assert.Equal(163 << 10, device.Limits.SharedBytes);
        Assert.True(device.Limits.HasWarps);
    }

    [SkippableTheory]
    [InlineData("cuDevicePrimaryCtxRetain", 2, DeviceFailure.OutOfMemory)]
    [InlineData("cuStreamCreate", 999, DeviceFailure.Other)]
    [InlineData("cuMemHostAlloc", 2, DeviceFailure.OutOfMemory)]
    public void An_error_while_opening_names_the_call_and_another_try_can_succeed(string call, int code, DeviceFailure kind)
    {
        CudaApi api = CudaSimulator.Api;
        CudaSimulator.Fail(call, code);
        var failure = Assert.Throws<DeviceException>(() => CudaDevices.Open(api, CudaSimulator.Compiler, 0, null));
        Assert.Equal((call, code, kind), (failure.Call, failure.Code, failure.Failure));
        Assert.Contains($"({call} returned {code})", failure.Message, StringComparison.Ordinal);
        using ComputeDevice device = CudaSimulator.Open();
        ComputeDeviceTests.AssertWorks(device);
    }

    [SkippableFact]
    public void Without_a_compiler_a_kernel_is_unsupported_unless_it_is_cached()
    {
        var cache = new MemoryCache();
        using ComputeDevice bare = CudaDevices.Open(CudaSimulator.Api, null, 0, cache);
        var failure = Assert.Throws<DeviceException>(() => bare.Load(TestKernels.Add, [1]));
        Assert.Equal(DeviceFailure.Unsupported, failure.Failure);
        Assert.Contains("NVRTC", failure.Message, StringComparison.Ordinal);
        using (ComputeDevice whole = CudaSimulator.Open(cache)) ComputeDeviceTests.AssertWorks(whole);
        ComputeDeviceTests.AssertWorks(bare);
    }

    [SkippableFact]
    public void A_cached_program_is_not_compiled_again_and_a_broken_one_is()
    {
        var cache = new MemoryCache();
        using (ComputeDevice device = CudaSimulator.Open(cache)) ComputeDeviceTests.AssertWorks(device);
        CudaSimulator.Reset();
        using (ComputeDevice device = CudaSimulator.Open(cache)) ComputeDeviceTests.AssertWorks(device);
        Assert.Equal(0, CudaSimulator.Calls("nvrtcCompileProgram"));
        foreach (string key in cache.Programs.Keys) cache.Programs[key] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        using (ComputeDevice device = CudaSimulator.Open(cache)) ComputeDeviceTests.AssertWorks(device);
        Assert.Equal(1, CudaSimulator.Calls("nvrtcCompileProgram"));
    }

    [SkippableFact]
    public void Freed_memory_serves_the_next_buffer_and_goes_back_when_memory_is_short()
    {
        using ComputeDevice device = CudaSimulator.Open();
        CudaSimulator.Reset();
        for (int i = 0; i < 10; i++) device.Allocate(1_000_000 + i).Dispose();
        Assert.Equal(1, CudaSimulator.Calls("cuMemAlloc"));
        CudaSimulator.Limit(1_200_000);
        using (DeviceBuffer large = device.Allocate(1_900_000)) Assert.Equal(1, CudaSimulator.Calls("cuMemFree"));
        var failure = Assert.Throws<DeviceException>(() => device.Allocate(3 << 20));
        Assert.Equal(DeviceFailure.OutOfMemory, failure.Failure);
        Assert.Contains("no memory for 3145728 bytes: CUDA_ERROR_OUT_OF_MEMORY", failure.Message, StringComparison.Ordinal);
        ComputeDeviceTests.AssertWorks(device);
    }

    [SkippableFact]
    public void More_than_48_KiB_of_shared_memory_is_asked_for()
    {
        using ComputeDevice device = CudaSimulator.Open();
        const int Count = 20_000;
        using DeviceBuffer buffer = TestDevices.Upload<int>(device, [.. Enumerable.Range(0, Count)]);
        using DeviceLaunch reverse = ComputeDeviceTests.Reverse(device, buffer.View<int>());
        Assert.Equal(1, CudaSimulator.Calls("cuFuncSetAttribute"));
        reverse.Run();
        Assert.Equal(Enumerable.Range(0, Count).Reverse(), TestDevices.Download<int>(buffer, Count));
    }

    [SkippableFact]
    public void Threads_of_a_warp_exchange_values()
    {
        using ComputeDevice device = CudaSimulator.Open();
        using DeviceBuffer buffer = TestDevices.Upload<int>(device, [.. Enumerable.Range(0, 64)]);
        using DeviceKernel kernel = device.Load(TestKernels.Warps, []);
        kernel.SetArgument(0, buffer.View<int>());
        kernel.Launch(new LaunchShape(1, 1, 1, 64));
        Assert.Equal(Enumerable.Range(0, 64).Select(i => i ^ 1), TestDevices.Download<int>(buffer, 64));
    }

    [SkippableFact]
    public void A_recording_is_one_call_and_keeps_the_arguments_of_its_time()
    {
        using ComputeDevice device = CudaSimulator.Open();
        using DeviceBuffer buffer = TestDevices.Upload<int>(device, [0]);
        using DeviceLaunch add = ComputeDeviceTests.Add(device, buffer.View<int>(), amount: 1, thousands: 0);
        using LaunchSequence sequence = device.Record([add, add, add]);
        add.Kernel.SetArgument(1, 100);
        CudaSimulator.Reset();
        sequence.Run();
        Assert.Equal((1, 0), (CudaSimulator.Calls("cuGraphLaunch"), CudaSimulator.Calls("cuLaunchKernel")));
        Assert.Equal([3], TestDevices.Download<int>(buffer, 1));
    }

    [SkippableFact]
    public void A_launch_that_fails_while_recording_leaves_the_stream_usable()
    {
        using ComputeDevice device = CudaSimulator.Open();
        using DeviceBuffer buffer = TestDevices.Upload<int>(device, [0]);
        using DeviceLaunch add = ComputeDeviceTests.Add(device, buffer.View<int>(), amount: 1, thousands: 0);
        CudaSimulator.Fail("cuLaunchKernel", 701, after: 1);
        var failure = Assert.Throws<DeviceException>(() => device.Record([add, add]));
        Assert.Equal(DeviceFailure.Unsupported, failure.Failure);
        ComputeDeviceTests.AssertWorks(device);
    }

    [SkippableFact]
    public void A_launch_with_an_argument_missing_is_refused()
    {
        using ComputeDevice device = CudaSimulator.Open();
        using DeviceKernel kernel = device.Load(TestKernels.Add, [0]);
        kernel.SetArgument(1, 3);
        Assert.Throws<InvalidOperationException>(() => kernel.Launch(LaunchShape.Linear(1, 1)));
    }

    [SkippableTheory]
    [InlineData("cuLaunchKernel", 700)]
    [InlineData("cuStreamSynchronize", 719)]
    [InlineData("cuMemcpyDtoHAsync", 700)]
    public void A_lost_device_says_so_from_then_on_and_another_device_works(string call, int code)
    {
        using ComputeDevice device = CudaSimulator.Open();
        using DeviceBuffer buffer = TestDevices.Upload<int>(device, [1]);
        using DeviceLaunch add = ComputeDeviceTests.Add(device, buffer.View<int>(), amount: 1, thousands: 0);
        CudaSimulator.Fail(call, code);
        var failure = Assert.Throws<DeviceException>(() =>
        {
            add.Run();
            device.Synchronize();
            TestDevices.Download<int>(buffer, 1);
        });
        Assert.Equal((DeviceFailure.DeviceLost, call, code), (failure.Failure, failure.Call, failure.Code));

        failure = Assert.Throws<DeviceException>(() => device.Allocate(4));
        Assert.Equal(DeviceFailure.DeviceLost, failure.Failure);
        Assert.Contains("the device was lost earlier", failure.Message, StringComparison.Ordinal);
        Assert.Contains(call, failure.Message, StringComparison.Ordinal);
        if (ComputeDevices.Enumerate().Any(other => other.Id == "opencl:0")) ComputeDeviceTests.AssertWorks(TestDevices.Get("opencl:0"));
    }

    private sealed class MemoryCache : IProgramCache
    {
        public Dictionary<string, byte[]> Programs { get; } = [];

        public byte[]? Read(string key) => Programs.GetValueOrDefault(key);

        public void Write(string key, ReadOnlySpan<byte> program) => Programs[key] = program.ToArray();
    }
}
