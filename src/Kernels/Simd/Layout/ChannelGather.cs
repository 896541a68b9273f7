using System.Runtime.Intrinsics;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Layout;

/// <summary>Adjacent output channels that come from adjacent input channels of one source, all inside one block of each.</summary>
/// <param name="Source">Index of the source; -1 for zeros.</param>
/// <param name="SourceChannel">First input channel.</param>
/// <param name="TargetChannel">First output channel.</param>
/// <param name="Count">Channels.</param>
public readonly record struct ChannelRun(int Source, int SourceChannel, int TargetChannel, int Count);

/// <summary>Which pixels of a plane are taken.</summary>
/// <param name="InHeight">Rows of the input plane.</param>
/// <param name="InWidth">Columns of the input plane.</param>
/// <param name="FirstRow">First row taken.</param>
/// <param name="StepY">Rows between rows taken, at least 1.</param>
/// <param name="OutHeight">Rows taken.</param>
/// <param name="FirstColumn">First column taken.</param>
/// <param name="StepX">Columns between columns taken, at least 1.</param>
/// <param name="OutWidth">Columns taken.</param>
public sealed record PixelGrid(int InHeight, int InWidth, int FirstRow, int StepY, int OutHeight, int FirstColumn, int StepX, int OutWidth)
{
    /// <summary>All pixels of a plane.</summary>
    public static PixelGrid All(int height, int width) => new(height, width, 0, 1, height, 0, 1, width);
}

/// <summary>
/// Copies channels of one or more activations into another one, in any order, with zeros in between, and only the
/// pixels of a grid: concatenation, splitting, channel selection and padding, and strided shortcuts.
/// </summary>
public static unsafe class ChannelGather
{
    /// <summary>Cuts a list of source channels into runs.</summary>
    /// <param name="sources">Source of each output channel; -1 for zeros.</param>
    /// <param name="channels">Channel in that source.</param>
    /// <param name="block">Channels per block of all activations.</param>
    /// <returns>Runs in order of the output, padding channels of the last block included as zeros.</returns>
    public static ChannelRun[] Runs(ReadOnlySpan<int> sources, ReadOnlySpan<int> channels, int block)
    {
        var runs = new List<ChannelRun>();
        int end = new ActivationLayout(block).PaddedChannels(sources.Length);
        for (int target = 0; target < end;)
        {
            int source = target < sources.Length ? sources[target] : -1;
            int first = source < 0 ? 0 : channels[target];
            int count = 1;
            while (target + count < end && (target + count) % block != 0)
            {
                int next = target + count;
                int nextSource = next < sources.Length ? sources[next] : -1;
                if (nextSource != source || (source >= 0 && (channels[next] != first + count || channels[next] % block == 0))) break;
                count++;
            }

            runs.Add(new ChannelRun(source, first, target, count));
            target += count;
        }

        return [.. runs];
    }

    /// <summary>Fills one run of one image.</summary>
    /// <param name="run">The run.</param>
    /// <param name="grid">The pixels.</param>
    /// <param name="block">Channels per block: 1, 4, 8 or 16.</param>
    /// <param name="source">First float of the run's source image; not read for zeros.</param>
    /// <param name="target">First float of the output image.</param>
    public static void Copy(ChannelRun run, PixelGrid grid, int block, float* source, float* target)
    {
        float* output = target + Offset(run.TargetChannel, (long)grid.OutHeight * grid.OutWidth, block);
        if (run.Source < 0)
        {
            if (run.Count == block) new Span<float>(output, grid.OutHeight * grid.OutWidth * block).Clear();
            else
            {
                for (int pixel = 0; pixel < grid.OutHeight * grid.OutWidth; pixel++) new Span<float>(output + ((long)pixel * block), run.Count).Clear();
            }

            return;
        }

        float* plane = source + Offset(run.SourceChannel, (long)grid.InHeight * grid.InWidth, block);
        for (int y = 0; y < grid.OutHeight; y++)
        {
            float* row = plane + ((((long)(grid.FirstRow + (y * grid.StepY)) * grid.InWidth) + grid.FirstColumn) * block);
            CopyRow(row, grid.StepX * block, output + ((long)y * grid.OutWidth * block), block, grid.OutWidth, run.Count);
        }
    }

    private static void CopyRow(float* input, int inputStep, float* output, int outputStep, int pixels, int count)
    {
        if (count == inputStep && count == outputStep)
        {
            new ReadOnlySpan<float>(input, pixels * count).CopyTo(new Span<float>(output, pixels * count));
            return;
        }

        for (int pixel = 0; pixel < pixels; pixel++, input += inputStep, output += outputStep)
        {
            int lane = 0;
            for (; lane <= count - 4; lane += 4) Vector128.Load(input + lane).Store(output + lane);
            for (; lane < count; lane++) output[lane] = input[lane];
        }
    }

    private static long Offset(int channel, long pixels, int block) => (channel / block * pixels * block) + (channel % block);
}
