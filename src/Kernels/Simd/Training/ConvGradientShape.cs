namespace CoInference.Kernels.Simd.Training;

/// <summary>A convolution to train.</summary>
/// <param name="InChannels">Input channels.</param>
/// <param name="InHeight">Input rows.</param>
/// <param name="InWidth">Input columns.</param>
/// <param name="OutChannels">Output channels.</param>
/// <param name="OutHeight">Output rows.</param>
/// <param name="OutWidth">Output columns.</param>
/// <param name="KernelHeight">Kernel rows.</param>
/// <param name="KernelWidth">Kernel columns.</param>
/// <param name="StrideY">Step down.</param>
/// <param name="StrideX">Step right.</param>
/// <param name="PadTop">Zero rows above.</param>
/// <param name="PadLeft">Zero columns on the left.</param>
/// <param name="DilationY">Rows between kernel rows.</param>
/// <param name="DilationX">Columns between kernel columns.</param>
/// <param name="Groups">Channel groups.</param>
public sealed record ConvGradientShape(
    int InChannels, int InHeight, int InWidth, int OutChannels, int OutHeight, int OutWidth, int KernelHeight, int KernelWidth,
    int StrideY, int StrideX, int PadTop, int PadLeft, int DilationY, int DilationX, int Groups)
{
    /// <summary>Kernel taps.</summary>
    public int Taps => KernelHeight * KernelWidth;

    /// <summary>Whether each channel is convolved by itself.</summary>
    public bool IsDepthwise => Groups > 1 && Groups == InChannels && Groups == OutChannels;

    /// <summary>Zero pixels that the input needs around it.</summary>
    public int InputBorder => Math.Max(
        Math.Max(PadTop, PadLeft),
        Math.Max(
            ((OutHeight - 1) * StrideY) + ((KernelHeight - 1) * DilationY) - PadTop - (InHeight - 1),
            ((OutWidth - 1) * StrideX) + ((KernelWidth - 1) * DilationX) - PadLeft - (InWidth - 1)));

    /// <summary>Zero pixels that the output gradient needs around it for the gradient of the input.</summary>
    public int GradientBorder => Math.Max(
        Border(InHeight, OutHeight, KernelHeight, StrideY, PadTop, DilationY),
        Border(InWidth, OutWidth, KernelWidth, StrideX, PadLeft, DilationX));

    /// <summary>The taps along one axis that reach the input positions of one phase (position modulo stride), with the output offset of each.</summary>
    internal static List<(int Tap, int Offset)> PhaseTaps(int phase, int kernel, int stride, int pad, int dilation)
    {
        var taps = new List<(int Tap, int Offset)>();
        for (int tap = 0; tap < kernel; tap++)
        {
            // Input position stride i + phase is read by output o at this tap when stride o + dilation tap - pad equals it.
            int difference = phase + pad - (dilation * tap);
            if (difference % stride == 0) taps.Add((tap, difference / stride));
        }

        return taps;
    }

    private static int Border(int input, int output, int kernel, int stride, int pad, int dilation)
    {
        int border = 0;
        for (int phase = 0; phase < Math.Min(stride, input); phase++)
        {
            int last = (input - 1 - phase) / stride;
            foreach ((_, int offset) in PhaseTaps(phase, kernel, stride, pad, dilation))
                border = Math.Max(border, Math.Max(-offset, last + offset - (output - 1)));
        }

        return border;
    }
}
