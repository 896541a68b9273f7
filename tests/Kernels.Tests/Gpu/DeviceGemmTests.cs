using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;

namespace CoInference.Kernels.Tests.Gpu;

/// <summary>Every matrix product kernel for devices against a product in double precision.</summary>
[Collection("devices")]
public sealed class DeviceGemmTests
{
    // One value, off every tile, whole tiles, deep and narrow, a row of a fully connected layer, stacks with shared operands.
    private static readonly GemmShape[] Shapes =
    [
        new(1, 1, 1), new(3, 5, 7), new(64, 64, 16), new(130, 66, 33), new(128, 256, 40), new(20, 49, 320), new(1, 10, 512), new(1, 100, 63), new(5, 33, 128), new(17, 70, 130),
        new(24, 36, 20, Count: 6, CountA: 6, CountB: 6), new(9, 16, 12, Count: 6, CountA: 2, CountB: 6), new(40, 7, 31, Count: 3, CountA: 1, CountB: 3),
    ];

    public static TheoryData<string, string> Kernels
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (string device in TestDevices.Ids)
            {
                foreach (DeviceGemmKernel kernel in DeviceGemmKernels.All) data.Add(device, kernel.Name);
            }

            return data;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void Agrees_with_the_reference(string deviceId, string kernelName)
    {
        ComputeDevice device = TestDevices.Get(deviceId);
        DeviceGemmKernel kernel = DeviceGemmKernels.All.Single(row => row.Name == kernelName);
        int ran = 0;
        // Every combination would take minutes to compile: shapes and what is fused rotate through the ways to store the operands.
        for (int i = 0; i < Shapes.Length; i++)
        {
            for (int variant = 0; variant < 2; variant++)
            {
                int transposes = variant == 0 ? i % 4 : 2;
                GemmShape shape = Shapes[i] with { TransposeA = (transposes & 1) != 0, TransposeB = (transposes & 2) != 0 };
                var epilogue = variant == 0
                    ? new GemmEpilogue(0.75f, -1.5f, (GemmBias)(i / 4 % 4), HasResidual: transposes > 1, -1.2f, 1.4f)
                    : new GemmEpilogue(Bias: GemmBias.PerColumn);
                if (TestDevices.IsSimulator(deviceId) && (variant > 0 || shape.Rows * shape.Columns * shape.Depth > 60_000)) continue;
                if (!kernel.Supports(shape, epilogue, device.Limits)) continue;
                Check(device, kernel, shape, epilogue);
                ran++;
            }
        }

        Skip.If(ran == 0 && TestDevices.IsSimulator(deviceId), $"{deviceId} is too small a device for {kernel.Name}");
        Assert.True(ran >= (TestDevices.IsSimulator(deviceId) ? 1 : 3), $"{kernel.Name} took only {ran} products.");
    }

    private static void Check(ComputeDevice device, DeviceGemmKernel kernel, GemmShape shape, GemmEpilogue epilogue)
    {
        var random = new Random(shape.GetHashCode() ^ 5);
        float[] a = Values(random, shape.CountA * shape.Rows * shape.Depth), b = Values(random, shape.CountB * shape.Columns * shape.Depth);
        float[] residual = Values(random, (int)shape.OutputCount);
        float[] bias = Values(random, epilogue.Bias switch
        {
            GemmBias.PerRow => shape.CountA * shape.Rows,
            GemmBias.PerColumn => shape.Columns,
            GemmBias.Matrix => shape.Rows * shape.Columns,
            _ => 1,
        });
        float[] expected = Reference(shape, epilogue, a, b, bias, residual);
        using DeviceBuffer left = TestDevices.Upload<float>(device, a), right = TestDevices.Upload<float>(device, b);
        using DeviceBuffer add = TestDevices.Upload<float>(device, bias), y = TestDevices.Upload<float>(device, residual);
        using DeviceBuffer workspace = device.Allocate(4 * Math.Max(1, kernel.WorkspaceValues(shape, device.Limits)));
        var views = new GemmViews(left.View<float>(0, a.Length), right.View<float>(0, b.Length), add.View<float>(0, bias.Length), y.View<float>(0, residual.Length), y.View<float>(0, residual.Length));
        using DeviceLaunch launch = kernel.Bind(device, shape, epilogue, views, workspace.View<float>());
        launch.Run();
        float[] actual = TestDevices.Download<float>(y, residual.Length);
        // The rounding of a sum of terms up to 1 grows with the root of their number.
        double tolerance = 1e-6 * (3 + Math.Sqrt(shape.Depth));
        for (int i = 0; i < actual.Length; i++)
            Assert.True(Math.Abs(actual[i] - expected[i]) <= tolerance, $"{kernel.Name} on {shape} with {epilogue}: value {i} is {actual[i]}, expected {expected[i]}.");
    }

    private static float[] Reference(GemmShape shape, GemmEpilogue epilogue, float[] a, float[] b, float[] bias, float[] residual)
    {
        var y = new float[shape.OutputCount];
        for (int item = 0; item < shape.Count; item++)
        {
            for (int m = 0; m < shape.Rows; m++)
            {
                for (int n = 0; n < shape.Columns; n++)
                {
                    double sum = 0;
                    for (int k = 0; k < shape.Depth; k++)
                    {
                        double left = a[(item % shape.CountA * shape.Rows * shape.Depth) + (shape.TransposeA ? (k * shape.Rows) + m : (m * shape.Depth) + k)];
                        sum += left * b[(item % shape.CountB * shape.Columns * shape.Depth) + (shape.TransposeB ? (n * shape.Depth) + k : (k * shape.Columns) + n)];
                    }

                    int at = (((item * shape.Rows) + m) * shape.Columns) + n;
                    sum = (epilogue.Alpha * sum) + (epilogue.Beta * (epilogue.Bias switch
                    {
                        GemmBias.PerRow => bias[(item % shape.CountA * shape.Rows) + m],
                        GemmBias.PerColumn => bias[n],
                        GemmBias.Matrix => bias[(m * shape.Columns) + n],
                        _ => 0,
                    }));
                    if (epilogue.HasResidual) sum += residual[at];
                    y[at] = (float)Math.Clamp(sum, epilogue.Minimum, epilogue.Maximum);
                }
            }
        }

        return y;
    }

    private static float[] Values(Random random, int count)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (float)((random.NextDouble() * 2) - 1);
        return values;
    }
}
