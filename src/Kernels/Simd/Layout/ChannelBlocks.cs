using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Layout;

/// <summary>Converts activations between row-major NCHW and channel blocks.</summary>
public static unsafe class ChannelBlocks
{
    /// <summary>Pixels whose blocked lines stay in the first-level cache while the planes are visited four at a time.</summary>
    private const int ChunkPixels = 64;

    /// <summary>Writes some channel blocks of one image from its row-major planes; padding channels become zero.</summary>
    /// <param name="source">The image's first plane, [channels, pixels].</param>
    /// <param name="target">The image's first block, [blocks, pixels, block].</param>
    /// <param name="channels">Channels of the image.</param>
    /// <param name="pixels">Pixels of a plane.</param>
    /// <param name="block">Channels per block.</param>
    /// <param name="firstBlock">First block to write.</param>
    /// <param name="endBlock">Block after the last to write.</param>
    public static void Pack(float* source, float* target, int channels, int pixels, int block, int firstBlock, int endBlock)
    {
        for (int index = firstBlock; index < endBlock; index++)
        {
            float* planes = source + ((long)index * block * pixels);
            float* output = target + ((long)index * block * pixels);
            int present = Math.Min(block, channels - (index * block));
            if (present < block) new Span<float>(output, pixels * block).Clear();
            for (int first = 0; first < pixels; first += ChunkPixels, output += (long)ChunkPixels * block, planes += ChunkPixels)
            {
                int count = Math.Min(ChunkPixels, pixels - first);
                int lane = 0;
                for (; lane <= present - 4; lane += 4) PackFour(planes + ((long)lane * pixels), pixels, output + lane, block, count);
                for (; lane < present; lane++)
                {
                    float* plane = planes + ((long)lane * pixels);
                    for (int pixel = 0; pixel < count; pixel++) output[((long)pixel * block) + lane] = plane[pixel];
                }
            }
        }
    }

    /// <summary>Writes the row-major planes of some channel blocks of one image; padding channels are not read.</summary>
    /// <param name="source">The image's first block, [blocks, pixels, block].</param>
    /// <param name="target">The image's first plane, [channels, pixels].</param>
    /// <param name="channels">Channels of the image.</param>
    /// <param name="pixels">Pixels of a plane.</param>
    /// <param name="block">Channels per block.</param>
    /// <param name="firstBlock">First block to read.</param>
    /// <param name="endBlock">Block after the last to read.</param>
    public static void Unpack(float* source, float* target, int channels, int pixels, int block, int firstBlock, int endBlock)
    {
        for (int index = firstBlock; index < endBlock; index++)
        {
            float* input = source + ((long)index * block * pixels);
            float* planes = target + ((long)index * block * pixels);
            int present = Math.Min(block, channels - (index * block));
            for (int first = 0; first < pixels; first += ChunkPixels, input += (long)ChunkPixels * block, planes += ChunkPixels)
            {
                int count = Math.Min(ChunkPixels, pixels - first);
                int lane = 0;
                for (; lane <= present - 4; lane += 4) UnpackFour(input + lane, block, planes + ((long)lane * pixels), pixels, count);
                for (; lane < present; lane++)
                {
                    float* plane = planes + ((long)lane * pixels);
                    for (int pixel = 0; pixel < count; pixel++) plane[pixel] = input[((long)pixel * block) + lane];
                }
            }
        }
    }

    /// <summary>Copies some channels of one image from one block size to another; padding channels become zero.</summary>
    /// <param name="source">The image's first block, of <paramref name="from"/> channels.</param>
    /// <param name="from">Channels per block of the source.</param>
    /// <param name="target">The image's first block, of <paramref name="to"/> channels.</param>
    /// <param name="to">Channels per block of the target; it divides <paramref name="from"/> or is a multiple of it.</param>
    /// <param name="channels">Channels of the image.</param>
    /// <param name="pixels">Pixels of a plane.</param>
    /// <param name="firstChannel">First channel to copy, a multiple of both blocks.</param>
    /// <param name="endChannel">Channel after the last to copy, a multiple of both blocks; may lie in the padding.</param>
    public static void Repack(float* source, int from, float* target, int to, int channels, int pixels, int firstChannel, int endChannel)
    {
        int piece = Math.Min(from, to);
        int sourceChannels = new ActivationLayout(from).PaddedChannels(channels);
        int targetChannels = new ActivationLayout(to).PaddedChannels(channels);
        for (int channel = firstChannel; channel < Math.Min(endChannel, targetChannels); channel += piece)
        {
            float* output = target + ((long)(channel / to) * to * pixels) + (channel % to);
            if (channel >= sourceChannels)
            {
                for (int pixel = 0; pixel < pixels; pixel++) new Span<float>(output + ((long)pixel * to), piece).Clear();
                continue;
            }

            float* input = source + ((long)(channel / from) * from * pixels) + (channel % from);
            for (int pixel = 0; pixel < pixels; pixel++)
            {
                for (int lane = 0; lane < piece; lane += 4) Vector128.Load(input + ((long)pixel * from) + lane).Store(output + ((long)pixel * to) + lane);
            }
        }
    }

    /// <summary>Writes zeros into the padding channels of a blocked activation.</summary>
    /// <param name="data">The activation.</param>
    /// <param name="batch">Images.</param>
    /// <param name="channels">Logical channels.</param>
    /// <param name="pixels">Pixels of a plane.</param>
    /// <param name="layout">Its layout.</param>
    public static void ClearPadding(float* data, int batch, int channels, int pixels, ActivationLayout layout)
    {
        int block = layout.Block;
        int present = channels % block;
        if (present == 0) return;
        long image = (long)layout.PaddedChannels(channels) * pixels;
        for (int n = 0; n < batch; n++)
        {
            float* last = data + ((n + 1) * image) - ((long)pixels * block);
            for (int pixel = 0; pixel < pixels; pixel++) new Span<float>(last + ((long)pixel * block) + present, block - present).Clear();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackFour(float* planes, nint planeStep, float* output, nint block, int pixels)
    {
        for (; pixels >= 4; pixels -= 4, planes += 4, output += 4 * block) Transpose4.Run(planes, planeStep, output, block);
        for (; pixels > 0; pixels--, planes++, output += block)
        {
            for (int lane = 0; lane < 4; lane++) output[lane] = planes[lane * planeStep];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void UnpackFour(float* input, nint block, float* planes, nint planeStep, int pixels)
    {
        for (; pixels >= 4; pixels -= 4, planes += 4, input += 4 * block) Transpose4.Run(input, block, planes, planeStep);
        for (; pixels > 0; pixels--, planes++, input += block)
        {
            for (int lane = 0; lane < 4; lane++) planes[lane * planeStep] = input[lane];
        }
    }
}
