using CoInference.Kernels.Devices;
using CoInference.Kernels.Reference;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Tests.Conv;

public class ConvKernelTests
{
    [Fact]
    public void Every_row_has_a_name_of_its_own() =>
        Assert.Equal(ConvKernels.All.Count, ConvKernels.All.Select(kernel => kernel.Name).Distinct().Count());

    [Fact]
    public void Every_shape_has_a_dense_row()
    {
        foreach (ConvShape shape in ConvShapeSets.Fixed.Concat(ConvShapeSets.Random(seed: 5, count: 200)))
            Assert.True(ConvKernels.For(shape, WeightForm.Dense).Any(), $"no dense row supports {shape}");
    }

    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Every_row_agrees_with_the_reference(string setting) => InstructionSets.Run(ConvKernelChecks.AllRows, setting);

    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Rows_with_an_error_bound_keep_it(string setting)
    {
        string output = InstructionSets.Run(ConvKernelChecks.ErrorBounds, setting);
        Assert.Equal(setting != "scalar", output.Contains("conv.winograd4.v128", StringComparison.Ordinal));
    }

    [Fact]
    public unsafe void A_run_allocates_nothing()
    {
        using var pair = new WorkerSet(2);
        foreach (ConvShape shape in ConvShapeSets.Fixed.Where(shape => shape.MultiplyAdds > 200_000))
        {
            foreach (ConvKernel kernel in ConvKernels.All.Where(kernel => kernel.Supports(shape)))
            {
                PreparedConv prepared = kernel.Prepare(shape, Epilogue.Relu, new float[shape.WeightCount], []);
                var input = new AlignedBuffer(4L * kernel.InputLayout(shape).StorageCount(shape.Batch, shape.InChannels, shape.InHeight, shape.InWidth));
                var output = new AlignedBuffer(4L * kernel.OutputLayout(shape).StorageCount(shape.Batch, shape.OutChannels, shape.OutHeight, shape.OutWidth));
                var scratch = new AlignedBuffer(prepared.ScratchBytes(pair.Threads));
                long allocated = SteadyState.AllocatedBytes(
                    () => prepared.Run((float*)input.Pointer, null, (float*)output.Pointer, scratch.Pointer, pair));
                Assert.True(allocated == 0, $"{kernel.Name} on {shape} allocates {allocated} bytes per run");
                GC.KeepAlive(input);
                GC.KeepAlive(output);
                GC.KeepAlive(scratch);
            }
        }
    }

    [Fact]
    public void Estimates_rank_wider_vectors_and_matching_layouts_first()
    {
        var large = new ConvShape { InChannels = 64, InHeight = 28, InWidth = 28, OutChannels = 64, KernelHeight = 3, KernelWidth = 3 };
        var first = large with { InChannels = 3, InHeight = 112, InWidth = 112, StrideX = 2, StrideY = 2 };
        var depthwise = large with { Groups = 64 };
        Assert.True(Estimate("conv.direct.v512", large) < Estimate("conv.direct.v256", large));
        Assert.True(Estimate("conv.direct.v256", large) < Estimate("conv.direct.v128", large));
        Assert.True(Estimate("conv.direct.v128", large) < Estimate("conv.direct.scalar", large));
        Assert.True(Estimate("conv.direct.v512", large) < Estimate("conv.planar.v512", large));
        Assert.True(Estimate("conv.planar.v512", first) < Estimate("conv.direct.v512", first));
        Assert.True(Estimate("conv.depthwise.v512", depthwise) < Estimate("conv.grouped.v512", depthwise));

        static double Estimate(string name, ConvShape shape) =>
            ConvKernels.All.Single(kernel => kernel.Name == name).EstimateMicroseconds(shape, density: 1);
    }

    [Fact]
    public void Wrong_lengths_are_refused_by_every_row()
    {
        ConvShape shape = ConvShapeSets.Fixed[2];
        foreach (ConvKernel kernel in ConvKernels.All.Where(kernel => kernel.Supports(shape)))
        {
            Assert.Throws<ArgumentException>(() => kernel.Prepare(shape, default, new float[shape.WeightCount - 1], []));
            Assert.Throws<ArgumentException>(() => kernel.Prepare(shape, default, new float[shape.WeightCount], new float[3]));
        }
    }
}

/// <summary>Checks that also run in child processes under narrower instruction sets.</summary>
public static class ConvKernelChecks
{
    private static readonly Epilogue[] Epilogues =
    [
        default,
        Epilogue.Relu,
        new(FusedActivation.Clamp, 0.25f, 0.75f),
        new(HasResidual: true),
        new(FusedActivation.Clamp, 0f, 6f, HasResidual: true),
    ];

    /// <summary>
    /// The rows that compute by other sums stay within their stated bound on layers of up to 512 channels, with inputs of both
    /// signs and with the positive inputs that follow a ReLU, for which sums grow instead of cancelling.
    /// </summary>
    public static void ErrorBounds()
    {
        int index = 0;
        foreach (int channels in new[] { 1, 2, 8, 33, 128, 512 })
        {
            ConvShape shape = ConvShapeSets.Square(channels, channels > 100 ? 8 : 17, 24);
            foreach (bool positive in new[] { false, true })
            {
                var random = new Random(index++);
                float[] input = Values(random, shape.InChannels * shape.InHeight * shape.InWidth);
                if (positive) input = Array.ConvertAll(input, MathF.Abs);
                float[] weights = Values(random, shape.WeightCount);
                var expected = new float[shape.OutChannels * shape.OutHeight * shape.OutWidth];
                ReferenceConv.Run(shape, default, input, weights, [], [], expected);
                foreach (ConvKernel kernel in ConvKernels.For(shape, WeightForm.Dense).Where(kernel => kernel.ErrorUnits is not null))
                {
                    PreparedConv prepared = kernel.Prepare(shape, default, weights, []);
                    double unit = Math.Pow(2, -24) * Scale(shape, input, weights);
                    double largest = Compare(
                        kernel, prepared, shape, default, input, [], expected, kernel.ErrorUnits!.Value * unit, WorkerSet.Single, aliased: false);
                    Console.WriteLine($"{kernel.Name} {shape} {(positive ? "positive" : "signed")}: {largest / unit:F2} of {kernel.ErrorUnits}");
                }
            }
        }
    }

    /// <summary>Every row on every shape it supports, on one and two threads, against the scalar reference.</summary>
    public static void AllRows()
    {
        using var pair = new WorkerSet(2);
        int index = 0;
        foreach (ConvShape shape in ConvShapeSets.Fixed.Concat(ConvShapeSets.Random(seed: 11, count: 40)))
        {
            foreach (WeightForm form in Enum.GetValues<WeightForm>())
            {
                // The epilogue is a matter of the store, not of the shape: each shape gets one of them without and one
                // with a residual, in rotation, and the small shapes all.
                bool all = shape.MultiplyAdds < 20_000;
                for (int e = 0; e < Epilogues.Length; e++)
                {
                    if (!all && e != index % 3 && e != 3 + (index % 2)) continue;
                    Check(shape, form, Epilogues[e], pair, seed: index);
                }
            }

            index++;
        }
    }

    private static void Check(ConvShape shape, WeightForm form, Epilogue epilogue, WorkerSet pair, int seed)
    {
        ConvKernel[] kernels = [.. ConvKernels.For(shape, form)];
        if (kernels.Length == 0) return;
        var random = new Random(seed);
        int outputCount = shape.Batch * shape.OutChannels * shape.OutHeight * shape.OutWidth;
        float[] input = Values(random, shape.Batch * shape.InChannels * shape.InHeight * shape.InWidth);
        float[] weights = Weights(random, shape, form);
        float[] bias = seed % 2 == 0 ? Values(random, shape.OutChannels) : [];
        float[] residual = epilogue.HasResidual ? Values(random, outputCount) : [];
        var expected = new float[outputCount];
        ReferenceConv.Run(shape, epilogue, input, weights, bias, residual, expected);
        foreach (ConvKernel kernel in kernels)
        {
            PreparedConv prepared = kernel.Prepare(shape, epilogue, weights, bias);
            double tolerance = Tolerance(kernel, shape, input, weights);
            Compare(kernel, prepared, shape, epilogue, input, residual, expected, tolerance, WorkerSet.Single, aliased: false);
            Compare(kernel, prepared, shape, epilogue, input, residual, expected, tolerance, pair, aliased: epilogue.HasResidual);
        }
    }

    private static unsafe double Compare(
        ConvKernel kernel, PreparedConv prepared, ConvShape shape, Epilogue epilogue, float[] input, float[] residual, float[] expected,
        double tolerance, WorkerSet workers, bool aliased)
    {
        ActivationLayout from = kernel.InputLayout(shape), to = kernel.OutputLayout(shape);
        int pixels = shape.OutHeight * shape.OutWidth;
        var source = Reorder(input, shape.Batch, shape.InChannels, shape.InHeight * shape.InWidth, from);
        var result = new AlignedBuffer((long)to.StorageCount(shape.Batch, shape.OutChannels, shape.OutHeight, shape.OutWidth) * sizeof(float));
        AlignedBuffer? addend = epilogue.HasResidual ? Reorder(residual, shape.Batch, shape.OutChannels, pixels, to) : null;
        var scratch = new AlignedBuffer(prepared.ScratchBytes(workers.Threads));
        AlignedBuffer output = aliased ? addend! : result;
        if (!aliased) output.Span.Fill(0xFF);
        scratch.Span.Fill(0xFF);
        prepared.Run(
            (float*)source.Pointer, addend is null ? null : (float*)addend.Pointer, (float*)output.Pointer, scratch.Pointer, workers);
        GC.KeepAlive(source);
        GC.KeepAlive(addend);
        GC.KeepAlive(scratch);

        int block = to.Block, blocks = to.PaddedChannels(shape.OutChannels) / block;
        float* values = (float*)output.Pointer;
        double largest = 0;
        for (int i = 0; i < output.Length / sizeof(float); i++)
        {
            int image = i / (blocks * block * pixels), channel = (i / (pixels * block) % blocks * block) + (i % block), pixel = i / block % pixels;
            double wanted = channel < shape.OutChannels ? expected[(((image * shape.OutChannels) + channel) * pixels) + pixel] : 0;
            double error = Math.Abs(values[i] - wanted);
            largest = Math.Max(largest, error);
            bool close = channel < shape.OutChannels ? error <= tolerance * Math.Max(1, Math.Abs(wanted)) : values[i] == 0;
            if (!close)
            {
                Assert.Fail($"{kernel.Name} on {shape}, {epilogue}, {workers.Threads} threads{(aliased ? ", in place" : "")}: image {image}, channel {channel}, pixel {pixel} "
                    + $"is {values[i]}, expected {wanted} within {tolerance:g3}");
            }
        }

        GC.KeepAlive(output);
        return largest;
    }

    /// <summary>How far a kernel may be from the exact result, for results up to 1.</summary>
    private static double Tolerance(ConvKernel kernel, ConvShape shape, float[] input, float[] weights)
    {
        // Inputs and weights lie in [-1, 1]. Each of the K products and K sums in single precision rounds by at most
        // 2^-24 of a running sum that random signs keep near sqrt(K); K bounds it with room for any order of summation.
        int reduction = shape.InChannels / shape.Groups * shape.KernelHeight * shape.KernelWidth;
        double summation = 2 * (reduction + 4) * Math.Pow(2, -24);
        if (kernel.ErrorUnits is not { } units) return summation;

        // The kernel's own bound, and 4 roundings of bias and residual.
        return (units * Math.Pow(2, -24) * Scale(shape, input, weights)) + (4 * Math.Pow(2, -24));
    }

    /// <summary>The largest |x| times the largest sum of |w| of an output channel: what <see cref="ConvKernel.ErrorUnits"/> are multiplied with.</summary>
    private static double Scale(ConvShape shape, float[] input, float[] weights)
    {
        int filter = weights.Length / shape.OutChannels;
        double largest = 0;
        for (int channel = 0; channel < shape.OutChannels; channel++)
            largest = Math.Max(largest, weights.Skip(channel * filter).Take(filter).Sum(weight => Math.Abs((double)weight)));
        return largest * input.Max(Math.Abs);
    }

    private static float[] Values(Random random, int count)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++) values[i] = (random.NextSingle() * 2) - 1;
        return values;
    }

    /// <summary>Weights with the zeros that <paramref name="form"/> exploits; one whole filter and one whole input are zero.</summary>
    private static float[] Weights(Random random, ConvShape shape, WeightForm form)
    {
        float[] weights = Values(random, shape.WeightCount);
        if (form == WeightForm.Dense) return weights;
        int groupInputs = shape.InChannels / shape.Groups, taps = shape.KernelHeight * shape.KernelWidth;
        int block = form == WeightForm.Block ? CpuFeatures.ChannelBlock : 1;
        double density = random.NextDouble();
        for (int first = 0; first < shape.OutChannels; first += block)
        {
            for (int column = 0; column < groupInputs * taps; column++)
            {
                bool keep = random.NextDouble() < density && first != block && column / taps != 1;
                if (keep) continue;
                for (int channel = first; channel < Math.Min(first + block, shape.OutChannels); channel++) weights[(channel * groupInputs * taps) + column] = 0;
            }
        }

        return weights;
    }

    private static unsafe AlignedBuffer Reorder(float[] values, int batch, int channels, int pixels, ActivationLayout layout)
    {
        int padded = layout.PaddedChannels(channels), block = layout.Block;
        var buffer = new AlignedBuffer((long)batch * padded * pixels * sizeof(float));
        float* target = (float*)buffer.Pointer;
        for (int image = 0; image < batch; image++)
        {
            for (int channel = 0; channel < channels; channel++)
            {
                for (int pixel = 0; pixel < pixels; pixel++)
                    target[(image * padded * pixels) + (channel / block * block * pixels) + (pixel * block) + (channel % block)] = values[(((image * channels) + channel) * pixels) + pixel];
            }
        }

        return buffer;
    }
}
