using System.Reflection;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Dialect;
using CoInference.Kernels.Tests.Gpu;

namespace CoInference.Kernels.Translator.Tests;

/// <summary>Every construct of the dialect: what its translation computes on a device is what the C# computes here.</summary>
[Collection("devices")]
public sealed class ConstructTests
{
    private const int Groups = 4;
    private const int Threads = 8;
    private const int Count = Groups * Threads;

    // Functions that a device may compute less exactly than the CPU.
    private const string Inexact = nameof(Constructs.Constructs.MathFunctions);

    public static TheoryData<string, string> All
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (MethodInfo method in typeof(Constructs.Constructs).GetMethods(BindingFlags.Public | BindingFlags.Static))
            {
                if (method.GetCustomAttribute<KernelAttribute>() is null) continue;
                foreach (string device in TestDevices.Ids) data.Add(device, method.Name);
            }

            return data;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(All))]
    public void Computes_what_the_CSharp_computes(string deviceId, string name)
    {
        ComputeDevice device = TestDevices.Get(deviceId);
        var random = new Random(17);
        for (int round = 0; round < 3; round++)
        {
            float[] x = [.. Enumerable.Range(0, Count).Select(_ => (float)((random.NextDouble() * 4) - 2))];
            int[] i = [.. Enumerable.Range(0, Count).Select(_ => random.Next(-40, 40))];
            var (y, j) = (new float[Count], new int[Count]);
            ConstructRun.Run(name, Groups, Threads, x, i, y, j);
            (float[] actualY, int[] actualJ) = RunOn(device, name, x, i);
            Assert.Equal(j, actualJ);
            for (int at = 0; at < Count; at++)
            {
                if (name == Inexact) Assert.InRange(actualY[at] - y[at], -2e-5f * (1 + Math.Abs(y[at])), 2e-5f * (1 + Math.Abs(y[at])));
                else Assert.Equal(BitConverter.SingleToInt32Bits(y[at]), BitConverter.SingleToInt32Bits(actualY[at]));
            }
        }
    }

    private static (float[] Y, int[] J) RunOn(ComputeDevice device, string name, float[] x, int[] i)
    {
        using DeviceBuffer xs = TestDevices.Upload<float>(device, x), @is = TestDevices.Upload<int>(device, i);
        using DeviceBuffer ys = TestDevices.Upload<float>(device, new float[Count]), js = TestDevices.Upload<int>(device, new int[Count]);
        using DeviceKernel kernel = device.Load(Translations.Construct(name), [Translations.Four]);
        kernel.SetArgument(0, xs.View<float>());
        kernel.SetArgument(1, @is.View<int>());
        kernel.SetArgument(2, ys.View<float>());
        kernel.SetArgument(3, js.View<int>());
        kernel.Launch(new LaunchShape(Groups, 1, 1, Threads));
        return (TestDevices.Download<float>(ys, Count), TestDevices.Download<int>(js, Count));
    }
}
