using CoInference.Kernels.Devices;
using CoInference.Kernels.Reference;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Tests.SparseConv;

/// <summary>Checks that also run in child processes under narrower instruction sets.</summary>
public static class SparseConvChecks
{
    private const int Guard = 64;

    private static readonly Epilogue[] Epilogues = [Epilogue.Relu, new(HasResidual: true), new(FusedActivation.Clamp, -0.5f, 0.5f, HasResidual: true)];

    /// <summary>Layers that are worth pruning: 1x1 and k x k, with and without stride.</summary>
    public static IReadOnlyList<ConvShape> Layers { get; } =
    [
        ConvShape.Parse("1x256x28x28:256k1s1p0"),
        ConvShape.Parse("1x64x32x32:64k3s1p1"),
        ConvShape.Parse("1x64x56x56:128k3s2p1"),
        ConvShape.Parse("1x128x28x28:128k3s2p1"),
        ConvShape.Parse("1x256x14x14:256k3s1p1"),
    ];

    /// <summary>Shapes at which tiles, strips, segments, chunks and copies end.</summary>
    private static IEnumerable<ConvShape> Edges()
    {
        // Planes of 4096 bytes, in one run and in strips, in several chunks of channels; aligned planes, which are read in place.
        yield return ConvShape.Parse("1x40x32x32:24k3s1p1");
        yield return ConvShape.Parse("2x140x32x32:9k1s1p0");
        yield return ConvShape.Parse("1x90x28x28:7k1s1p0");

        // Strips that end with the image and strips that reach beyond it; tiles of every height.
        for (int width = 1; width <= 40; width += 3) yield return ConvShape.Parse($"1x5x7x{width}:6k3s1p1");
        for (int height = 1; height <= 19; height += 2) yield return ConvShape.Parse($"2x3x{height}x9:5k3s1p1");
        yield return ConvShape.Parse("1x6x32x64:7k3s1p1");

        // Strides with and without columns that no tap meets, dilation, and both.
        yield return ConvShape.Parse("2x9x28x28:10k3s2p1");
        yield return ConvShape.Parse("1x7x15x17:8k1s2p0");
        yield return ConvShape.Parse("1x7x19x23:8k1s3p0");
        yield return ConvShape.Parse("1x4x31x29:6k2s3p1");
        yield return ConvShape.Parse("1x4x20x21:6k3s1p2d2");
        yield return ConvShape.Parse("1x4x25x27:6k3s2p3d3");
        yield return ConvShape.Parse("1x3x33x35:5k5s4p2");
        yield return ConvShape.Parse("1x2x6x40:5k3s2p1") with { StrideY = 1, PadBottom = 3, PadLeft = 0 };

        // Groups in one run and in strips.
        yield return ConvShape.Parse("1x12x9x11:9k3s1p1g3");
        yield return ConvShape.Parse("2x12x9x11:6k1s1p0g3");
        yield return ConvShape.Parse("1x600x4x4:32k1s1p0g2");
        yield return ConvShape.Parse("2x12x7x9:96k1s1p0g2");

        // Runs of pixels that are no multiple of a vector, and planes smaller than a piece that is loaded.
        for (int pixels = 1; pixels <= 70; pixels += 7) yield return ConvShape.Parse($"1x6x1x{pixels}:5k1s1p0");
        yield return ConvShape.Parse("1x5x1x1:4k3s1p1");
        yield return ConvShape.Parse("3x2x1x2:3k3s1p2");

        // Several strips and tiles, with and without stride.
        yield return ConvShape.Parse("1x96x48x40:4k3s1p1");
        yield return ConvShape.Parse("1x128x42x42:4k3s2p1");

        // Padding wider than a vector.
        yield return ConvShape.Parse("1x3x5x7:4k3s1p17");
        yield return ConvShape.Parse("1x2x6x9:4k3s2p35d3");
    }

    /// <summary>Every sparse kernel on every edge shape, empty and full, on one and two threads, against the scalar reference.</summary>
    public static void EdgeShapes()
    {
        using var pair = new WorkerSet(2);
        int seed = 0;
        foreach (ConvShape shape in Edges())
        {
            foreach (WeightForm form in new[] { WeightForm.Block, WeightForm.Unstructured })
            {
                foreach (double density in new[] { 0, 0.1, 1 })
                {
                    Epilogue epilogue = Epilogues[seed % Epilogues.Length];
                    Check(shape, form, density, epilogue, seed++, pair);
                }
            }
        }
    }

    private static unsafe void Check(ConvShape shape, WeightForm form, double density, Epilogue epilogue, int seed, WorkerSet pair)
    {
        var random = new Random(seed);
        float[] input = Values(random, shape.Batch * shape.InChannels * shape.InHeight * shape.InWidth);
        float[] bias = Values(random, shape.OutChannels);
        float[] weights = Values(random, shape.WeightCount);
        int columns = shape.WeightCount / shape.OutChannels;
        for (int i = 0; i < weights.Length; i++)
        {
            // One filter is empty; every third tap is dropped from all filters.
            if (i / columns == 1 || i % columns % 3 == 1 || random.NextDouble() >= density) weights[i] = 0;
        }

        int pixels = shape.OutHeight * shape.OutWidth, outputs = shape.Batch * shape.OutChannels * pixels;
        float[] residual = epilogue.HasResidual ? Values(random, outputs) : [];
        var expected = new float[outputs];
        ReferenceConv.Run(shape, epilogue, input, weights, bias, residual, expected);
        foreach (ConvKernel kernel in ConvKernels.For(shape, form))
        {
            PreparedConv prepared = kernel.Prepare(shape, epilogue, weights, bias);
            ActivationLayout from = kernel.InputLayout(shape), to = kernel.OutputLayout(shape);
            foreach (WorkerSet workers in new[] { WorkerSet.Single, pair })
            {
                AlignedBuffer source = Guarded(input, shape.Batch, shape.InChannels, shape.InHeight * shape.InWidth, from.Block);
                AlignedBuffer target = epilogue.HasResidual
                    ? Guarded(residual, shape.Batch, shape.OutChannels, pixels, to.Block)
                    : Guarded(new float[outputs], shape.Batch, shape.OutChannels, pixels, to.Block);
                float* output = (float*)target.Pointer + Guard;
                var scratch = new AlignedBuffer(prepared.ScratchBytes(workers.Threads));
                scratch.Span.Fill(0xFF);
                prepared.Run((float*)source.Pointer + Guard, epilogue.HasResidual ? output : null, output, scratch.Pointer, workers);

                // The residual is added in place. Up to 1300 products in [-1, 1], each rounded to 2^-24 of a running sum.
                AlignedBuffer wanted = Guarded(expected, shape.Batch, shape.OutChannels, pixels, to.Block);
                for (int i = 0; i < target.Length / sizeof(float); i++)
                {
                    float is1 = ((float*)target.Pointer)[i], should = ((float*)wanted.Pointer)[i];
                    bool same = float.IsNaN(should) ? float.IsNaN(is1) : Math.Abs(is1 - should) <= 2e-4f;
                    Assert.True(same, $"{kernel.Name} on {shape}, density {density}, {workers.Threads} threads: float {i - Guard} is {is1}, expected {should}");
                }

                GC.KeepAlive(source);
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

    /// <summary>Values in the layout of a kernel between two guards that are not numbers, so that reading them shows and writing them does.</summary>
    private static unsafe AlignedBuffer Guarded(float[] values, int batch, int channels, int pixels, int block)
    {
        int padded = (channels + block - 1) / block * block;
        int count = batch * padded * pixels;
        var buffer = new AlignedBuffer((count + (2L * Guard)) * sizeof(float));
        var floats = new Span<float>(buffer.Pointer, count + (2 * Guard));
        floats[..Guard].Fill(float.NaN);
        floats[^Guard..].Fill(float.NaN);
        for (int i = 0; i < values.Length; i++)
        {
            int image = i / (channels * pixels), channel = i / pixels % channels, pixel = i % pixels;
            floats[Guard + (image * padded * pixels) + (channel / block * block * pixels) + (pixel * block) + (channel % block)] = values[i];
        }

        return buffer;
    }
}
