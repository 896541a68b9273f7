using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Layout;

/// <summary>Converts activations between row-major NCHW and channel blocks.</summary>
public static unsafe class ChannelBlocks
{
    /// <summary>Pixels whose blocked lines stay in the first-level cache while the planes are visited four at a time.</summary>
    private const int ChunkPixels = 64;

    /// <summary>A rectangle of channels and pixels of one image.</summary>
    /// <param name="FirstChannel">First channel, a multiple of every block concerned.</param>
    /// <param name="EndChannel">Channel after the last, likewise a multiple; may lie in the padding.</param>
    /// <param name="FirstPixel">First pixel.</param>
    /// <param name="EndPixel">Pixel after the last.</param>
    public readonly record struct Part(int FirstChannel, int EndChannel, int FirstPixel, int EndPixel);

    /// <summary>Writes a part of the channel blocks of one image from its row-major planes; padding channels become zero.</summary>
    /// <param name="source">The image's first plane, [channels, pixels].</param>
    /// <param name="target">The image's first block, [blocks, pixels, block].</param>
    /// <param name="channels">Channels of the image.</param>
    /// <param name="pixels">Pixels of a plane.</param>
    /// <param name="block">Channels per block.</param>
    /// <param name="part">What to write.</param>
    public static void Pack(float* source, float* target, int channels, int pixels, int block, Part part)
    {
        for (int channel = part.FirstChannel; channel < part.EndChannel; channel += block)
        {
            float* planes = source + ((long)channel * pixels) + part.FirstPixel;
            float* output = target + ((long)channel * pixels) + ((long)part.FirstPixel * block);
            int present = Math.Min(block, channels - channel);
            if (Avx512F.IsSupported && block == 16 && present == 16)
            {
                PackSixteen(planes, pixels, output, part.EndPixel - part.FirstPixel);
                continue;
            }

            if (present < block) new Span<float>(output, (part.EndPixel - part.FirstPixel) * block).Clear();
            for (int first = part.FirstPixel; first < part.EndPixel; first += ChunkPixels, output += (long)ChunkPixels * block, planes += ChunkPixels)
            {
                int count = Math.Min(ChunkPixels, part.EndPixel - first);
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

    /// <summary>Writes a part of the row-major planes of one image; padding channels are not read.</summary>
    /// <param name="source">The image's first block, [blocks, pixels, block].</param>
    /// <param name="target">The image's first plane, [channels, pixels].</param>
    /// <param name="channels">Channels of the image.</param>
    /// <param name="pixels">Pixels of a plane.</param>
    /// <param name="block">Channels per block.</param>
    /// <param name="part">What to write.</param>
    public static void Unpack(float* source, float* target, int channels, int pixels, int block, Part part)
    {
        for (int channel = part.FirstChannel; channel < part.EndChannel; channel += block)
        {
            float* input = source + ((long)channel * pixels) + ((long)part.FirstPixel * block);
            float* planes = target + ((long)channel * pixels) + part.FirstPixel;
            int present = Math.Min(block, channels - channel);
            if (Avx512F.IsSupported && block == 16 && present == 16)
            {
                UnpackSixteen(input, planes, pixels, part.EndPixel - part.FirstPixel);
                continue;
            }

            for (int first = part.FirstPixel; first < part.EndPixel; first += ChunkPixels, input += (long)ChunkPixels * block, planes += ChunkPixels)
            {
                int count = Math.Min(ChunkPixels, part.EndPixel - first);
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

    /// <summary>Copies a part of one image from one block size to another; padding channels become zero.</summary>
    /// <param name="source">The image's first block, of <paramref name="from"/> channels.</param>
    /// <param name="from">Channels per block of the source.</param>
    /// <param name="target">The image's first block, of <paramref name="to"/> channels.</param>
    /// <param name="to">Channels per block of the target; it divides <paramref name="from"/> or is a multiple of it.</param>
    /// <param name="channels">Channels of the image.</param>
    /// <param name="pixels">Pixels of a plane.</param>
    /// <param name="part">What to write.</param>
    public static void Repack(float* source, int from, float* target, int to, int channels, int pixels, Part part)
    {
        int piece = Math.Min(from, to);
        int sourceChannels = new ActivationLayout(from).PaddedChannels(channels);
        int targetChannels = new ActivationLayout(to).PaddedChannels(channels);
        for (int channel = part.FirstChannel; channel < Math.Min(part.EndChannel, targetChannels); channel += piece)
        {
            float* output = target + ((long)(channel / to) * to * pixels) + (channel % to);
            if (channel >= sourceChannels)
            {
                for (int pixel = part.FirstPixel; pixel < part.EndPixel; pixel++) new Span<float>(output + ((long)pixel * to), piece).Clear();
                continue;
            }

            float* input = source + ((long)(channel / from) * from * pixels) + (channel % from);
            for (int pixel = part.FirstPixel; pixel < part.EndPixel; pixel++)
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
    private static void PackSixteen(float* planes, nint step, float* output, int pixels)
    {
        for (; pixels >= 16; pixels -= 16, planes += 16, output += 256) TileTranspose.Run16(planes, step, output, 16);
        for (; pixels > 0; pixels--, planes++, output += 16)
        {
            for (int lane = 0; lane < 16; lane++) output[lane] = planes[lane * step];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void UnpackSixteen(float* input, float* planes, nint step, int pixels)
    {
        for (; pixels >= 16; pixels -= 16, planes += 16, input += 256) TileTranspose.Run16(input, 16, planes, step);
        for (; pixels > 0; pixels--, planes++, input += 16)
        {
            for (int lane = 0; lane < 16; lane++) planes[lane * step] = input[lane];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackFour(float* planes, nint planeStep, float* output, nint block, int pixels)
    {
        for (; pixels >= 4; pixels -= 4, planes += 4, output += 4 * block) TileTranspose.Run4(planes, planeStep, output, block);
        for (; pixels > 0; pixels--, planes++, output += block)
        {
            for (int lane = 0; lane < 4; lane++) output[lane] = planes[lane * planeStep];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void UnpackFour(float* input, nint block, float* planes, nint planeStep, int pixels)
    {
        for (; pixels >= 4; pixels -= 4, planes += 4, input += 4 * block) TileTranspose.Run4(input, block, planes, planeStep);
        for (; pixels > 0; pixels--, planes++, input += block)
        {
            for (int lane = 0; lane < 4; lane++) planes[lane * planeStep] = input[lane];
        }
    }
}
