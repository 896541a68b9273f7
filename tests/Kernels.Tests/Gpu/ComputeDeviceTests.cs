using System.Diagnostics;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.OpenCl;

namespace CoInference.Kernels.Tests.Gpu;

/// <summary>What every kind of device promises: copies, views, launches, recordings, the cache, one clear error for each failure.</summary>
[Collection("devices")]
public sealed class ComputeDeviceTests
{
    public static TheoryData<string> Devices => TestDevices.Translated;

    // Drivers for CPUs may take the signal that tells the runtime of it.
    [SkippableTheory]
    [MemberData(nameof(Devices))]
    public void An_open_device_leaves_division_by_zero_to_the_runtime(string id)
    {
        ComputeDevice device = TestDevices.Get(id);
        using DeviceBuffer buffer = device.Allocate(64);
        buffer.Write(new byte[64]);
        int zero = id.Length - id.Length;
        Assert.Throws<DivideByZeroException>(() => id.Length / zero);
    }

    [SkippableTheory]
    [MemberData(nameof(Devices))]
    public void Bytes_come_back_at_any_size_and_offset(string id)
    {
        ComputeDevice device = TestDevices.Get(id);
        foreach (int size in new[] { 1, 3, 4096, (1 << 20) - 1, (1 << 20) + 1, (3 << 20) + 17 })
        {
            var sent = new byte[size];
            new Random(size).NextBytes(sent);
            using DeviceBuffer buffer = device.Allocate(size + 8);
            buffer.Write(sent, offset: 5);
            var received = new byte[size];
            buffer.Read(received, offset: 5);
            Assert.Equal(sent, received);
        }
    }

    // PoCL works in the host's memory, where copies go at once; a GPU does not.
    [SkippableFact]
    public void Copies_of_opencl_go_through_page_locked_memory_where_the_device_has_memory_of_its_own()
    {
        Skip.IfNot(ComputeDevices.Enumerate().Any(known => known.Id == "opencl:0"), "there is no device opencl:0 on this machine");
        using ComputeDevice device = OpenClDevices.Open(0, null, isStaged: true);
        var sent = new byte[(5 << 20) + 17];
        new Random(7).NextBytes(sent);
        var received = new byte[sent.Length];
        using DeviceBuffer buffer = device.Allocate(sent.Length);
        foreach (int size in new[] { 1, 3, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, sent.Length })
        {
            int last = sent.Length - size;
            buffer.Write(sent.AsSpan(last, size), last);
            // A second copy takes turns with the first, whose source may change at once.
            buffer.Write(sent.AsSpan(0, Math.Min(size, last)));
            buffer.Read(received.AsSpan(0, size), last);
            Assert.True(sent.AsSpan(last, size).SequenceEqual(received.AsSpan(0, size)), $"{size} bytes");
        }

        long allocated = SteadyState.AllocatedBytes(() =>
        {
            buffer.Write(sent);
            buffer.Read(received);
        });
        Assert.Equal(0, allocated);
        Assert.True(sent.AsSpan().SequenceEqual(received));
    }

    [SkippableTheory]
    [MemberData(nameof(Devices))]
    public void Bytes_outside_a_buffer_are_refused(string id)
    {
        using DeviceBuffer buffer = TestDevices.Get(id).Allocate(16);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Write(new byte[17]));
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Read(new byte[8], offset: 9));
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.View<int>(3, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.View<int>(-1, 2));
    }

    [SkippableTheory]
    [MemberData(nameof(Devices))]
    public void A_view_begins_at_its_offset_and_constants_reach_the_program(string id)
    {
        ComputeDevice device = TestDevices.Get(id);
        using DeviceBuffer buffer = TestDevices.Upload<int>(device, [1, 2, 3, 4, 5]);
        using DeviceKernel kernel = device.Load(TestKernels.Add, [3]);
        kernel.SetArgument(0, buffer.View<int>(1, 3));
        kernel.SetArgument(1, 7);
        kernel.Launch(LaunchShape.Linear(3, 4));
        Assert.Equal([1, 3009, 3010, 3011, 5], TestDevices.Download<int>(buffer, 5));
    }

    [SkippableTheory]
    [MemberData(nameof(Devices))]
    public void A_recording_repeats_its_launches_in_order(string id)
    {
        ComputeDevice device = TestDevices.Get(id);
        using DeviceBuffer buffer = TestDevices.Upload<int>(device, [1, 2, 3, 4]);
        using DeviceLaunch add = Add(device, buffer.View<int>(0, 1), amount: 10, thousands: 0);
        using DeviceLaunch reverse = Reverse(device, buffer.View<int>());
        using (LaunchSequence sequence = device.Record([add, reverse, add]))
        {
            Assert.Equal([1, 2, 3, 4], TestDevices.Download<int>(buffer, 4));
            sequence.Run();
            Assert.Equal([14, 3, 2, 11], TestDevices.Download<int>(buffer, 4));
            sequence.Run();
            Assert.Equal([21, 2, 3, 24], TestDevices.Download<int>(buffer, 4));
        }

        add.Run();
        Assert.Equal([31, 2, 3, 24], TestDevices.Download<int>(buffer, 4));
    }

    [SkippableTheory]
    [MemberData(nameof(Devices))]
    public void A_launch_and_a_recording_allocate_nothing(string id)
    {
        ComputeDevice device = TestDevices.Get(id);
        using DeviceBuffer buffer = TestDevices.Upload<int>(device, [1, 2, 3, 4]);
        using DeviceLaunch add = Add(device, buffer.View<int>(), amount: 1, thousands: 0);
        using LaunchSequence sequence = device.Record([add, add]);
        long allocated = SteadyState.AllocatedBytes(() =>
        {
            for (int i = 0; i < 50; i++)
            {
                add.Kernel.SetArgument(1, i);
                add.Run();
                sequence.Run();
            }

            device.Synchronize();
        });
        Assert.Equal(0, allocated);
    }

    [SkippableTheory]
    [MemberData(nameof(Devices))]
    public void The_timer_counts_what_ran_between(string id)
    {
        ComputeDevice device = TestDevices.Get(id);
        using DeviceBuffer buffer = TestDevices.Upload<int>(device, new int[1000]);
        using DeviceLaunch add = Add(device, buffer.View<int>(), amount: 1, thousands: 0);
        add.Run();
        device.StartTimer();
        for (int i = 0; i < 20; i++) add.Run();
        Assert.InRange(device.StopTimer(), 0.1, 60e6);
        Assert.Throws<InvalidOperationException>(() => device.StopTimer());
    }

    [SkippableTheory]
    [MemberData(nameof(Devices))]
    public void A_program_that_does_not_compile_says_why_and_the_device_goes_on(string id)
    {
        ComputeDevice device = TestDevices.Get(id);
        var failure = Assert.Throws<DeviceException>(() => device.Load(TestKernels.Broken, []));
        Assert.Equal(DeviceFailure.BuildFailed, failure.Failure);
        Assert.Equal(device.Description.Id, failure.Device);
        Assert.Contains("Test_Broken does not compile", failure.Message, StringComparison.Ordinal);
        Assert.Contains("nonsense", failure.Message, StringComparison.Ordinal);
        AssertWorks(device);
    }

    // Compilers within the process may take the signals by which .NET learns of null references, and give up when one arrives.
    [SkippableTheory]
    [MemberData(nameof(Devices))]
    public void Programs_compile_while_other_threads_throw(string id)
    {
        const int Programs = 5;
        ComputeDevice device = TestDevices.Get(id);
        // A driver may keep what it compiled in an earlier run.
        int unseen = (int)(Stopwatch.GetTimestamp() & 0xfffff);
        using var stop = new CancellationTokenSource();
        var thrower = new Thread(() =>
        {
            string? nothing = null;
            while (!stop.Token.WaitHandle.WaitOne(20)) Assert.Throws<NullReferenceException>(() => nothing!.Length);
        });
        thrower.Start();
        try
        {
            for (int i = 0; i < Programs; i++)
            {
                using DeviceBuffer buffer = TestDevices.Upload<int>(device, new int[64]);
                using DeviceLaunch add = Add(device, buffer.View<int>(), amount: 5, thousands: unseen + i);
                add.Run();
                Assert.All(TestDevices.Download<int>(buffer, 64), value => Assert.Equal(5 + (1000 * (unseen + i)), value));
            }
        }
        finally
        {
            stop.Cancel();
            thrower.Join();
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Devices))]
    public void Too_much_memory_is_refused_by_size_and_the_device_goes_on(string id)
    {
        ComputeDevice device = TestDevices.Get(id);
        var failure = Assert.Throws<DeviceException>(() => device.Allocate(1L << 50));
        Assert.Equal(DeviceFailure.OutOfMemory, failure.Failure);
        Assert.Contains(device.Description.Id, failure.Message, StringComparison.Ordinal);
        Assert.Contains("1125899906842624 bytes", failure.Message, StringComparison.Ordinal);
        AssertWorks(device);
    }

    [SkippableTheory]
    [MemberData(nameof(Devices))]
    public void A_kernel_beyond_the_device_is_refused_before_it_is_compiled(string id)
    {
        ComputeDevice device = TestDevices.Get(id);
        int values = checked((int)(device.Limits.SharedBytes / 4)) + 1;
        var failure = Assert.Throws<DeviceException>(() => device.Load(TestKernels.Reverse, [values]));
        Assert.Equal(DeviceFailure.Unsupported, failure.Failure);
        Assert.Contains($"needs {4L * values} bytes of shared memory", failure.Message, StringComparison.Ordinal);
        if (!device.Limits.HasWarps)
        {
            failure = Assert.Throws<DeviceException>(() => device.Load(TestKernels.Warps, []));
            Assert.Equal(DeviceFailure.Unsupported, failure.Failure);
            Assert.Contains("warps", failure.Message, StringComparison.Ordinal);
        }

        AssertWorks(device);
    }

    [SkippableTheory]
    [MemberData(nameof(Devices))]
    public void A_group_that_is_too_large_is_refused(string id)
    {
        ComputeDevice device = TestDevices.Get(id);
        using DeviceBuffer buffer = TestDevices.Upload<int>(device, [1, 2, 3]);
        using DeviceLaunch add = Add(device, buffer.View<int>(), amount: 1, thousands: 0);
        var failure = Assert.Throws<DeviceException>(() => add.Kernel.Launch(LaunchShape.Linear(1, 1 << 20)));
        Assert.Equal(DeviceFailure.Unsupported, failure.Failure);
        Assert.Contains("Test_Add runs in groups of up to", failure.Message, StringComparison.Ordinal);
        AssertWorks(device);
    }

    [SkippableTheory]
    [MemberData(nameof(Devices))]
    public void A_wrong_number_of_constants_is_refused(string id) =>
        Assert.Throws<ArgumentException>(() => TestDevices.Get(id).Load(TestKernels.Add, [1, 2]));

    [SkippableFact]
    public void Memory_of_another_device_is_refused()
    {
        ComputeDevice first = TestDevices.Get("opencl:0");
        using ComputeDevice second = ComputeDevices.Open("opencl:0");
        using DeviceBuffer buffer = second.Allocate(16);
        using DeviceKernel kernel = first.Load(TestKernels.Add, [0]);
        Assert.Throws<ArgumentException>(() => kernel.SetArgument(0, buffer.View<int>()));
    }

    [Theory]
    [InlineData("opencl:99", "no device opencl:99")]
    [InlineData("gpu", "'gpu' is not a device")]
    [InlineData("cuda:x", "'cuda:x' is not a device")]
    public void A_device_that_is_not_there_is_named(string id, string part)
    {
        var failure = Assert.Throws<ArgumentException>(() => ComputeDevices.Open(id));
        Assert.True(failure.Message.Contains(part, StringComparison.Ordinal) || failure.Message.Contains("This machine has no OpenCL", StringComparison.Ordinal), failure.Message);
    }

    /// <summary>Adds on a device, which shows that it still runs kernels.</summary>
    internal static void AssertWorks(ComputeDevice device)
    {
        using DeviceBuffer buffer = TestDevices.Upload<int>(device, [1, 2, 3]);
        using DeviceLaunch add = Add(device, buffer.View<int>(), amount: 5, thousands: 1);
        add.Run();
        Assert.Equal([1006, 1007, 1008], TestDevices.Download<int>(buffer, 3));
    }

    internal static DeviceLaunch Add(ComputeDevice device, DeviceView<int> values, int amount, int thousands)
    {
        DeviceKernel kernel = device.Load(TestKernels.Add, [thousands]);
        kernel.SetArgument(0, values);
        kernel.SetArgument(1, amount);
        return new DeviceLaunch(kernel, LaunchShape.Linear(values.Length, 64));
    }

    internal static DeviceLaunch Reverse(ComputeDevice device, DeviceView<int> values)
    {
        DeviceKernel kernel = device.Load(TestKernels.Reverse, [values.Length]);
        kernel.SetArgument(0, values);
        return new DeviceLaunch(kernel, new LaunchShape(1, 1, 1, 16));
    }
}
