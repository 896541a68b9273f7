using CoInference.Kernels.Gpu.Dialect;

namespace CoInference.Kernels.Gpu.Programs;

/// <summary>Copies with another order.</summary>
internal static class Movement
{
    /// <summary>Copies runs: y[i * targetStride + j] = x[i * sourceStride + j].</summary>
    /// <param name="x">Source, from its first run on.</param>
    /// <param name="y">Target, from its first run on.</param>
    /// <param name="count">Values to copy, all runs together.</param>
    /// <param name="run">Values of a run.</param>
    /// <param name="sourceStride">Values from one run of the source to the next.</param>
    /// <param name="targetStride">Values from one run of the target to the next.</param>
    [Kernel]
    public static void Runs(ArrayView<float> x, ArrayView<float> y, int count, int run, int sourceStride, int targetStride)
    {
        int i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (i < count)
        {
            int row = i / run;
            int column = i - (row * run);
            y[(row * targetStride) + column] = x[(row * sourceStride) + column];
        }
    }

    /// <summary>Reads a value with a stride of its own per axis of the target: y in order, one thread per element.</summary>
    /// <param name="x">Source.</param>
    /// <param name="y">Target.</param>
    /// <param name="axes">Size of each axis of the target, then elements of the source between neighbours along it.</param>
    /// <param name="rank">Number of axes.</param>
    /// <param name="offset">Element of the source that the first one of the target is.</param>
    [Kernel]
    public static void Strided(ArrayView<float> x, ArrayView<float> y, ArrayView<int> axes, int rank, int offset)
    {
        int i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (i < y.IntLength)
        {
            int source = offset;
            int rest = i;
            for (int axis = rank - 1; axis >= 0; axis--)
            {
                int outer = rest / axes[axis];
                source += (rest - (outer * axes[axis])) * axes[rank + axis];
                rest = outer;
            }

            y[i] = x[source];
        }
    }

    /// <summary>Copies some channels of images, at a grid of their pixels, or fills them with zeros. One plane per group along y.</summary>
    /// <param name="x">Source images.</param>
    /// <param name="y">Target images.</param>
    /// <param name="channels">Pairs: channel of the target, channel of the source, which is -1 for zeros.</param>
    /// <param name="grid">First row and column, steps, and sizes.</param>
    [Kernel]
    public static void Channels(ArrayView<float> x, ArrayView<float> y, ArrayView<int> channels, GatherGrid grid)
    {
        int pixel = (Grid.IdxX * Group.DimX) + Group.IdxX;
        int pixels = grid.OutHeight * grid.OutWidth;
        if (pixel < pixels)
        {
            int target = channels[2 * Grid.IdxY];
            int source = channels[(2 * Grid.IdxY) + 1];
            float value = 0;
            if (source >= 0)
            {
                int row = pixel / grid.OutWidth;
                int inY = grid.FirstRow + (row * grid.StepY);
                int inX = grid.FirstColumn + ((pixel - (row * grid.OutWidth)) * grid.StepX);
                value = x[(((((Grid.IdxZ * grid.InChannels) + source) * grid.InHeight) + inY) * grid.InWidth) + inX];
            }

            y[(((Grid.IdxZ * grid.OutChannels) + target) * pixels) + pixel] = value;
        }
    }
}

/// <summary>Which pixels of an image a copy takes.</summary>
internal struct GatherGrid
{
    /// <summary>Channels of a source image.</summary>
    public int InChannels;

    /// <summary>Rows of a source image.</summary>
    public int InHeight;

    /// <summary>Columns of a source image.</summary>
    public int InWidth;

    /// <summary>Channels of a target image.</summary>
    public int OutChannels;

    /// <summary>Rows of a target image.</summary>
    public int OutHeight;

    /// <summary>Columns of a target image.</summary>
    public int OutWidth;

    /// <summary>Source row of the first target row.</summary>
    public int FirstRow;

    /// <summary>Source rows from one target row to the next.</summary>
    public int StepY;

    /// <summary>Source column of the first target column.</summary>
    public int FirstColumn;

    /// <summary>Source columns from one target column to the next.</summary>
    public int StepX;
}
