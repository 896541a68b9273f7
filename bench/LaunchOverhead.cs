using System.Diagnostics;
using System.Globalization;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;

namespace CoInference.Bench;

/// <summary>
/// What a launch costs the host: microseconds and bytes allocated per launch of a small kernel, one by one and as a recorded sequence.
/// Only the queueing is timed; the device finishes between the rounds.
/// </summary>
internal static class LaunchOverhead
{
    /// <summary>The mode's name on the command line.</summary>
    public const string Name = "launches";

    private const int LaunchesPerRound = 100;
    private const int Rounds = 50;

    /// <summary>Measures and prints.</summary>
    /// <param name="arguments">The device.</param>
    /// <returns>0; 3 when a launch takes longer than the bar or allocates.</returns>
    public static int Run(ReadOnlySpan<string> arguments)
    {
        const double BarMicroseconds = 10;
        if (arguments.Length != 1)
        {
            Console.Error.WriteLine($"usage: Bench {Name} DEVICE");
            return 2;
        }

        using ComputeDevice device = ComputeDevices.Open(arguments[0]);
        ConvShape shape = ConvShape.Parse("1x1x4x4:1k1s1p0");
        using DeviceBuffer x = device.Allocate(64), y = device.Allocate(64);
        DeviceConvKernel kernel = DeviceConvKernels.All.Single(row => row.Name == "conv.grouped");
        using DeviceConvLayer layer = kernel.Prepare(device, shape, Epilogue.Relu, [0.5f], [0f]);
        DeviceLaunch[] launches = [layer.Bind(x.View<float>(), y.View<float>(), y.View<float>())];
        using LaunchSequence sequence = device.Record([.. Enumerable.Repeat(launches[0], LaunchesPerRound)]);
        Console.WriteLine($"{device.Description.Id} {device.Description.Name}, kernel {launches[0].Kernel.Source}, {Rounds} rounds of {LaunchesPerRound} launches");
        bool isGood = Print("one by one", () =>
        {
            for (int i = 0; i < LaunchesPerRound; i++) launches[0].Run();
        });
        isGood &= Print("recorded", sequence.Run);
        launches[0].Dispose();
        return isGood ? 0 : 3;

        bool Print(string what, Action queue)
        {
            var times = new double[Rounds];
            for (int round = -5; round < Rounds; round++)
            {
                long start = Stopwatch.GetTimestamp();
                queue();
                if (round >= 0) times[round] = Stopwatch.GetElapsedTime(start).TotalMicroseconds / LaunchesPerRound;
                device.Synchronize();
            }

            long before = GC.GetAllocatedBytesForCurrentThread();
            queue();
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            device.Synchronize();
            Array.Sort(times);
            double median = times[Rounds / 2];
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{what,-12} median {median:F2} us, p10 {times[Rounds / 10]:F2}, p90 {times[Rounds * 9 / 10]:F2} a launch on the host; {allocated} bytes allocated"));
            return median < BarMicroseconds && allocated == 0;
        }
    }
}
