using CoInference.Kernels.Devices;
using CoInference.Kernels.Reference;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Tests.SparseConv;

public class SparseConvTests
{
    private static readonly ConvShape[] Shapes =
    [
        new() { InChannels = 64, InHeight = 9, InWidth = 16, OutChannels = 48, KernelHeight = 3, KernelWidth = 3, PadTop = 1, PadLeft = 1, PadBottom = 1, PadRight = 1 },
        new() { InChannels = 96, InHeight = 12, InWidth = 12, OutChannels = 32 },
        new() { InChannels = 80, InHeight = 16, InWidth = 16, OutChannels = 16, Batch = 2 },
        new() { InChannels = 16, InHeight = 31, InWidth = 29, OutChannels = 16, KernelHeight = 3, KernelWidth = 3, StrideY = 2, StrideX = 2, PadTop = 1, PadLeft = 1 },
    ];

    public static TheoryData<WeightForm, double> Cases => new()
    {
        { WeightForm.Block, 0 },
        { WeightForm.Block, 0.02 },
        { WeightForm.Block, 0.5 },
        { WeightForm.Block, 1 },
        { WeightForm.Unstructured, 0 },
        { WeightForm.Unstructured, 0.002 },
        { WeightForm.Unstructured, 0.1 },
        { WeightForm.Unstructured, 1 },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public unsafe void Every_density_agrees_with_the_reference_and_does_only_the_kept_work(WeightForm form, double density)
    {
        foreach (ConvShape shape in Shapes)
        {
            foreach (ConvKernel kernel in ConvKernels.For(shape, form))
            {
                var random = new Random(17);
                float[] input = Values(random, shape.Batch * shape.InChannels * shape.InHeight * shape.InWidth);
                float[] bias = Values(random, shape.OutChannels);
                var weights = new float[shape.WeightCount];
                int columns = shape.WeightCount / shape.OutChannels, unit = form == WeightForm.Block ? (int)kernel.Width : 1, kept = 0;
                for (int first = 0; first < shape.OutChannels; first += unit)
                {
                    for (int column = 0; column < columns; column++)
                    {
                        if (random.NextDouble() >= density) continue;
                        kept += unit;
                        for (int i = 0; i < unit; i++) weights[((first + i) * columns) + column] = (random.NextSingle() * 2) - 1.001f;
                    }
                }

                int pixels = shape.OutHeight * shape.OutWidth, outputs = shape.Batch * shape.OutChannels * pixels;
                var expected = new float[outputs];
                ReferenceConv.Run(shape, Epilogue.Relu, input, weights, bias, [], expected);

                PreparedConv prepared = kernel.Prepare(shape, Epilogue.Relu, weights, bias);
                Assert.Equal((long)kept * shape.Batch * pixels, prepared.MultiplyAdds);
                int block = kernel.OutputLayout(shape).Block;
                AlignedBuffer source = Blocked(input, shape.InChannels, shape.InHeight * shape.InWidth, shape.Batch, kernel.InputLayout(shape).Block);
                AlignedBuffer target = Blocked(new float[outputs], shape.OutChannels, pixels, shape.Batch, block);
                var scratch = new AlignedBuffer(prepared.ScratchBytes(1));
                prepared.Run((float*)source.Pointer, null, (float*)target.Pointer, scratch.Pointer, WorkerSet.Single);
                AlignedBuffer wanted = Blocked(expected, shape.OutChannels, pixels, shape.Batch, block);
                // Up to 577 terms in [-1, 1] summed in float32 in any order.
                for (int i = 0; i < outputs; i++)
                    if (Math.Abs(((float*)wanted.Pointer)[i] - ((float*)target.Pointer)[i]) > 1e-4f) Assert.Fail($"{kernel.Name} on {shape}, density {density}: value {i}");
                GC.KeepAlive(source);
                GC.KeepAlive(scratch);
            }
        }
    }

    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Edge_shapes_agree_with_the_reference(string setting) => InstructionSets.Run(SparseConvChecks.EdgeShapes, setting);

    [Fact]
    public void Estimates_know_when_sparsity_pays()
    {
        foreach (ConvShape shape in SparseConvChecks.Layers)
        {
            foreach (int lanes in new[] { 4, 8, 16 })
            {
                double dense = ConvKernels.All.Where(kernel => kernel.Form == WeightForm.Dense && (int)kernel.Width == lanes && kernel.Name.StartsWith("conv.direct", StringComparison.Ordinal))
                    .Min(kernel => kernel.EstimateMicroseconds(shape, 1));
                foreach (WeightForm form in new[] { WeightForm.Block, WeightForm.Unstructured })
                {
                    ConvKernel kernel = ConvKernels.All.Single(row => row.Form == form && (int)row.Width == lanes);
                    Assert.True(kernel.EstimateMicroseconds(shape, 0.1) < dense, $"{kernel.Name} at 0.1 of {shape}");
                    Assert.True(kernel.EstimateMicroseconds(shape, 0.05) < kernel.EstimateMicroseconds(shape, 0.1), $"{kernel.Name} on {shape}");
                    if (form == WeightForm.Unstructured) Assert.True(kernel.EstimateMicroseconds(shape, 1) > dense, $"{kernel.Name} at 1 of {shape}");
                }
            }
        }
    }

    [Fact]
    public unsafe void Runs_allocate_nothing()
    {
        foreach (WeightForm form in new[] { WeightForm.Block, WeightForm.Unstructured })
        {
            foreach (ConvKernel kernel in ConvKernels.For(Shapes[0], form))
            {
                PreparedConv prepared = kernel.Prepare(Shapes[0], default, Values(new Random(1), Shapes[0].WeightCount), []);
                var input = new AlignedBuffer(64 * 9 * 16 * sizeof(float));
                var output = new AlignedBuffer(64 * 9 * 16 * sizeof(float));
                var scratch = new AlignedBuffer(prepared.ScratchBytes(1));
                Assert.Equal(0, SteadyState.AllocatedBytes(
                    () => prepared.Run((float*)input.Pointer, null, (float*)output.Pointer, scratch.Pointer, WorkerSet.Single)));
                GC.KeepAlive(scratch);
            }
        }
    }

    private static float[] Values(Random random, int count)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (random.NextSingle() * 2) - 1;
        return values;
    }

    private static unsafe AlignedBuffer Blocked(float[] values, int channels, int pixels, int batch, int block)
    {
        int padded = (channels + block - 1) / block * block;
        var buffer = new AlignedBuffer((long)batch * padded * pixels * sizeof(float));
        for (int i = 0; i < values.Length; i++)
        {
            int image = i / (channels * pixels), channel = i / pixels % channels, pixel = i % pixels;
            ((float*)buffer.Pointer)[(image * padded * pixels) + (channel / block * block * pixels) + (pixel * block) + (channel % block)] = values[i];
        }

        return buffer;
    }
}
