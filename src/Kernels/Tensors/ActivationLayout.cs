namespace CoInference.Kernels.Tensors;

/// <summary>How the channels of an activation tensor lie in memory.</summary>
/// <remarks>
/// <see cref="Block"/> 1 is plain row-major NCHW. A larger block is [N, ceil(C / Block), H, W, Block]: Block channels of
/// one pixel are adjacent. Channels beyond C in the last block exist in memory, are written as zero by every kernel
/// that stores a blocked tensor, and are never counted in C.
/// </remarks>
/// <param name="Block">Channels per block: 1, 4, 8 or 16.</param>
public readonly record struct ActivationLayout(int Block)
{
    /// <summary>Row-major NCHW.</summary>
    public static ActivationLayout Nchw => new(1);

    /// <summary>Whether the layout is row-major NCHW.</summary>
    public bool IsNchw => Block == 1;

    /// <summary>Channels in memory for <paramref name="channels"/> logical channels.</summary>
    public int PaddedChannels(int channels) => (channels + Block - 1) / Block * Block;

    /// <summary>Floats in memory for an activation of this layout.</summary>
    public int StorageCount(int batch, int channels, int height, int width) =>
        checked(batch * PaddedChannels(channels) * height * width);

    /// <summary>The name as shown in tables: <c>nchw</c> or <c>nchw16c</c>.</summary>
    public override string ToString() => IsNchw ? "nchw" : $"nchw{Block}c";
}
