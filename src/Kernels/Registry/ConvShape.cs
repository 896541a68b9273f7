namespace CoInference.Kernels.Registry;

/// <summary>Shape of a 2D convolution, in pixels and channels; a 1D convolution has height 1.</summary>
/// <remarks>Weights are [OutChannels, InChannels / Groups, KernelHeight, KernelWidth], as in ONNX.</remarks>
public sealed partial record ConvShape
{
    /// <summary>Images per run.</summary>
    public int Batch { get; init; } = 1;

    /// <summary>Input channels, all groups together.</summary>
    public required int InChannels { get; init; }

    /// <summary>Input height in pixels, without padding.</summary>
    public required int InHeight { get; init; }

    /// <summary>Input width in pixels, without padding.</summary>
    public required int InWidth { get; init; }

    /// <summary>Output channels, all groups together.</summary>
    public required int OutChannels { get; init; }

    /// <summary>Kernel height in taps.</summary>
    public int KernelHeight { get; init; } = 1;

    /// <summary>Kernel width in taps.</summary>
    public int KernelWidth { get; init; } = 1;

    /// <summary>Vertical step between output rows.</summary>
    public int StrideY { get; init; } = 1;

    /// <summary>Horizontal step between output columns.</summary>
    public int StrideX { get; init; } = 1;

    /// <summary>Zero rows above the input.</summary>
    public int PadTop { get; init; }

    /// <summary>Zero columns left of the input.</summary>
    public int PadLeft { get; init; }

    /// <summary>Zero rows below the input.</summary>
    public int PadBottom { get; init; }

    /// <summary>Zero columns right of the input.</summary>
    public int PadRight { get; init; }

    /// <summary>Vertical distance between kernel taps.</summary>
    public int DilationY { get; init; } = 1;

    /// <summary>Horizontal distance between kernel taps.</summary>
    public int DilationX { get; init; } = 1;

    /// <summary>Channel groups; equal to <see cref="InChannels"/> for a depthwise convolution.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>Output height in pixels.</summary>
    public int OutHeight => (InHeight + PadTop + PadBottom - (DilationY * (KernelHeight - 1)) - 1) / StrideY + 1;

    /// <summary>Output width in pixels.</summary>
    public int OutWidth => (InWidth + PadLeft + PadRight - (DilationX * (KernelWidth - 1)) - 1) / StrideX + 1;

    /// <summary>Whether an output pixel reads only the input pixel at its place: 1x1 kernels without stride and padding, in any groups.</summary>
    public bool IsPointwise => this is { KernelHeight: 1, KernelWidth: 1, StrideY: 1, StrideX: 1, PadTop: 0, PadLeft: 0, PadBottom: 0, PadRight: 0 };

    /// <summary>Whether each input channel has filters of its own and no other input.</summary>
    public bool IsDepthwise => Groups == InChannels && Groups > 1;

    /// <summary>Weights of the dense layer.</summary>
    public int WeightCount => OutChannels * (InChannels / Groups) * KernelHeight * KernelWidth;

    /// <summary>Multiply-accumulates of the dense layer for the whole batch.</summary>
    public long MultiplyAdds => (long)Batch * OutHeight * OutWidth * WeightCount;

    /// <summary>Checks that every field is in range and the output is not empty.</summary>
    /// <exception cref="ArgumentException">A field is out of range; the message names it.</exception>
    public void Validate()
    {
        if (Batch < 1 || InChannels < 1 || OutChannels < 1 || InHeight < 1 || InWidth < 1 || KernelHeight < 1 || KernelWidth < 1)
            throw new ArgumentException($"Convolution {this} has an empty dimension.");
        if (StrideY < 1 || StrideX < 1 || DilationY < 1 || DilationX < 1)
            throw new ArgumentException($"Convolution {this} has a stride or dilation below 1.");
        if (PadTop < 0 || PadLeft < 0 || PadBottom < 0 || PadRight < 0)
            throw new ArgumentException($"Convolution {this} has negative padding.");
        if (Groups < 1 || InChannels % Groups != 0 || OutChannels % Groups != 0)
            throw new ArgumentException($"Convolution {this}: {Groups} groups do not divide its channels.");
        if (InHeight + PadTop + PadBottom < (DilationY * (KernelHeight - 1)) + 1 || InWidth + PadLeft + PadRight < (DilationX * (KernelWidth - 1)) + 1)
            throw new ArgumentException($"Convolution {this}: the kernel is larger than the padded input.");
    }

    /// <summary>The short form of the command line, <c>1x64x56x56:64k3s1p1</c>, with <c>d</c> and <c>g</c> when not 1.</summary>
    public override string ToString()
    {
        string kernel = KernelHeight == KernelWidth ? $"k{KernelHeight}" : $"k{KernelHeight}x{KernelWidth}";
        string stride = StrideY == StrideX ? $"s{StrideY}" : $"s{StrideY}x{StrideX}";
        string pad = PadTop == PadLeft && PadTop == PadBottom && PadTop == PadRight ? $"p{PadTop}" : $"p{PadTop},{PadLeft},{PadBottom},{PadRight}";
        string dilation = DilationY == 1 && DilationX == 1 ? "" : DilationY == DilationX ? $"d{DilationY}" : $"d{DilationY}x{DilationX}";
        string groups = Groups == 1 ? "" : $"g{Groups}";
        return $"{Batch}x{InChannels}x{InHeight}x{InWidth}:{OutChannels}{kernel}{stride}{pad}{dilation}{groups}";
    }
}
