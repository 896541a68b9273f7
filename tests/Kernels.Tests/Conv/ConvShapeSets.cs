using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Tests.Conv;

/// <summary>Shapes that every convolution row is checked on; each exercises what its line names.</summary>
public static class ConvShapeSets
{
    /// <summary>The fixed set.</summary>
    public static IReadOnlyList<ConvShape> Fixed { get; } =
    [
        // 1x1 kernels: one pixel, whole blocks, partial blocks, flat rows with a remainder, strides, batch.
        Shape(1, 1, 1, 1, 1),
        Shape(3, 1, 1, 10, 1),
        Shape(16, 7, 7, 32, 1),
        Shape(24, 5, 9, 40, 1),
        Shape(96, 14, 14, 24, 1),
        Shape(130, 6, 5, 70, 1),
        Shape(32, 8, 8, 64, 1) with { StrideX = 2, StrideY = 2 },
        Shape(20, 9, 7, 12, 1) with { StrideX = 2, StrideY = 3, Batch = 2 },
        Shape(8, 6, 6, 8, 1) with { PadTop = 1, PadLeft = 2, PadBottom = 0, PadRight = 1 },

        // 3x3 kernels: the usual padding, narrow and odd images, channels off the tile.
        Padded(16, 32, 32, 16, 3, 1),
        Padded(64, 8, 8, 64, 3, 1),
        Padded(8, 16, 16, 8, 3, 1),
        Padded(17, 7, 7, 33, 3, 1),
        Padded(5, 1, 1, 6, 3, 1),
        Padded(48, 3, 13, 80, 3, 1),
        Padded(112, 9, 9, 48, 3, 1),
        Padded(16, 17, 15, 32, 3, 1) with { StrideX = 2, StrideY = 2 },
        Padded(33, 8, 8, 18, 3, 1) with { StrideX = 2, StrideY = 1, Batch = 3 },
        Shape(19, 11, 12, 21, 3),
        Padded(12, 10, 10, 20, 3, 2) with { DilationX = 2, DilationY = 2 },
        Padded(12, 13, 11, 20, 3, 0) with { DilationX = 3, DilationY = 1, StrideX = 2 },

        // Patches of a Winograd transform: inner and edge runs, runs longer than the edge buffer, more padding than a patch.
        Padded(16, 40, 41, 24, 3, 1),
        Padded(20, 38, 6, 16, 3, 0) with { Batch = 2 },
        Padded(9, 6, 6, 20, 3, 2),
        Padded(4, 3, 2, 5, 3, 7),

        // First layers.
        Padded(3, 32, 32, 16, 3, 1),
        Padded(3, 23, 21, 32, 3, 1) with { StrideX = 2, StrideY = 2 },
        Padded(3, 21, 22, 20, 7, 3) with { StrideX = 2, StrideY = 2 },
        Padded(3, 27, 27, 24, 11, 2) with { StrideX = 4, StrideY = 4 },
        Padded(1, 12, 12, 6, 5, 2),

        // Asymmetric padding and kernels, also 1D.
        Shape(10, 9, 8, 14, 3) with { PadTop = 0, PadLeft = 1, PadBottom = 2, PadRight = 3 },
        Shape(6, 5, 9, 11, 1) with { KernelWidth = 5, PadLeft = 2, PadRight = 2 },
        Shape(6, 9, 5, 11, 1) with { KernelHeight = 5, PadTop = 4, PadBottom = 1, StrideY = 2 },
        Shape(7, 1, 40, 9, 1) with { KernelWidth = 4, StrideX = 3, PadRight = 2 },

        // Padding wider than the image, kernels that see only padding.
        Padded(4, 2, 2, 4, 5, 4),

        // Groups: whole blocks, channels off the block, depthwise, channel multiplier.
        Padded(32, 6, 6, 32, 3, 1) with { Groups = 2 },
        Padded(64, 5, 5, 32, 1, 0) with { Groups = 2 },
        Padded(12, 6, 7, 20, 3, 1) with { Groups = 4 },
        Padded(16, 9, 9, 16, 3, 1) with { Groups = 16 },
        Padded(40, 7, 7, 40, 3, 1) with { Groups = 40, StrideX = 2, StrideY = 2 },
        Padded(24, 14, 15, 24, 5, 2) with { Groups = 24, Batch = 2 },
        Padded(19, 30, 33, 19, 3, 1) with { Groups = 19 },
        Padded(16, 12, 12, 16, 3, 2) with { Groups = 16, DilationX = 2, DilationY = 2 },
        Padded(8, 7, 7, 16, 3, 1) with { Groups = 8 },

        // Large enough to be cut into bands, chunks and parts.
        Padded(256, 7, 7, 272, 3, 1),
        Padded(32, 56, 56, 32, 3, 1),
        Shape(320, 28, 28, 64, 1),
        Padded(64, 14, 14, 64, 3, 1) with { Batch = 3 },
    ];

    /// <summary>Random shapes; the same seed gives the same shapes.</summary>
    public static IEnumerable<ConvShape> Random(int seed, int count)
    {
        var random = new Random(seed);
        while (count > 0)
        {
            int groups = random.Next(5) == 0 ? random.Next(1, 5) : 1;
            bool depthwise = random.Next(6) == 0;
            int inputs = groups * random.Next(1, random.Next(2, 70));
            int outputs = groups * random.Next(1, random.Next(2, 90));
            if (depthwise) groups = outputs = inputs;
            var shape = new ConvShape
            {
                Batch = random.Next(4) == 0 ? random.Next(1, 4) : 1,
                InChannels = inputs,
                OutChannels = outputs,
                Groups = groups,
                InHeight = random.Next(1, 20),
                InWidth = random.Next(1, 40),
                KernelHeight = random.Next(1, 6),
                KernelWidth = random.Next(1, 6),
                StrideY = random.Next(1, 4),
                StrideX = random.Next(1, 4),
                DilationY = random.Next(1, 3),
                DilationX = random.Next(1, 3),
                PadTop = random.Next(4),
                PadLeft = random.Next(4),
                PadBottom = random.Next(4),
                PadRight = random.Next(4),
            };
            try
            {
                shape.Validate();
            }
            catch (ArgumentException)
            {
                continue;
            }

            if (shape.MultiplyAdds > 3_000_000) continue;
            count--;
            yield return shape;
        }
    }

    /// <summary>A 3x3 layer of square images with padding 1.</summary>
    public static ConvShape Square(int inputs, int size, int outputs) => Padded(inputs, size, size, outputs, 3, 1);

    private static ConvShape Shape(int inputs, int height, int width, int outputs, int kernel) => new()
    {
        InChannels = inputs,
        InHeight = height,
        InWidth = width,
        OutChannels = outputs,
        KernelHeight = kernel,
        KernelWidth = kernel,
    };

    private static ConvShape Padded(int inputs, int height, int width, int outputs, int kernel, int pad) =>
        Shape(inputs, height, width, outputs, kernel) with { PadTop = pad, PadLeft = pad, PadBottom = pad, PadRight = pad };
}
