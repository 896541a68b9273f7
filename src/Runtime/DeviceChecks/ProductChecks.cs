using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Runtime.Execution;

namespace CoInference.Runtime.DeviceChecks;

/// <summary>The matrix product kernels: every row over products, stacks and ways to store the operands that it takes.</summary>
internal static class ProductChecks
{
    // One value, off every tile, whole tiles, several tiles each way, deep and narrow, a row of a fully connected layer, stacks with shared operands.
    private static readonly GemmShape[] Shapes =
    [
        .. new[]
        {
            "1x1x1x1", "1x3x5x7", "1x64x64x16", "1x130x66x33", "1x128x256x40", "1x20x49x320", "1x1x10x512", "1x1x100x63", "1x5x33x128", "1x17x70x130", "6x24x36x20", "6x9x16x12:a2", "3x40x7x31:a1",
        }.Select(GemmShape.Parse),
    ];

    public static IEnumerable<KernelCheck> All()
    {
        var products = new Dictionary<(int Shape, int Variant), RandomProduct>();
        foreach (DeviceGemmKernel kernel in DeviceGemmKernels.All)
        {
            yield return new KernelCheck(kernel.Name, Enumerable.Range(0, 2 * Shapes.Length).Select(index => new Func<ComputeDevice, CheckOutcome?>(device =>
            {
                (int i, int variant) = Math.DivRem(index, 2);
                // All combinations would take minutes to compile: what is fused and how operands are stored rotate; the second is that of a fully connected layer.
                int transposes = variant == 0 ? i % 4 : 2;
                GemmShape shape = Shapes[i] with { TransposeA = (transposes & 1) != 0, TransposeB = (transposes & 2) != 0 };
                GemmEpilogue epilogue = variant == 0
                    ? new GemmEpilogue(0.75f, -1.5f, (GemmBias)(i / 4 % 4), HasResidual: transposes > 1, -4f, 5f)
                    : new GemmEpilogue(Bias: GemmBias.PerColumn);
                if (!kernel.Supports(shape, epilogue, device.Limits)) return null;
                if (!products.TryGetValue((i, variant), out RandomProduct? product)) products.Add((i, variant), product = new RandomProduct(shape, epilogue));
                using var run = new ProductRun(product, device, kernel);
                return new CheckOutcome($"{shape}, bias {epilogue.Bias}{(epilogue.HasResidual ? ", residual" : "")}", run.MaxRelativeError(), run.ErrorBound);
            })));
        }
    }
}
