namespace CoInference.Kernels.Simd.Pooling;

/// <summary>A window that slides over the pixels of a plane.</summary>
/// <param name="InHeight">Rows of the input plane.</param>
/// <param name="InWidth">Columns of the input plane.</param>
/// <param name="OutHeight">Rows of the output plane.</param>
/// <param name="OutWidth">Columns of the output plane.</param>
/// <param name="KernelHeight">Rows of the window.</param>
/// <param name="KernelWidth">Columns of the window.</param>
/// <param name="StrideY">Rows between output rows.</param>
/// <param name="StrideX">Columns between output columns.</param>
/// <param name="PadTop">Rows of padding above the input.</param>
/// <param name="PadLeft">Columns of padding left of the input.</param>
/// <param name="PadBottom">Rows of padding below the input.</param>
/// <param name="PadRight">Columns of padding right of the input.</param>
/// <param name="DilationY">Rows between taps.</param>
/// <param name="DilationX">Columns between taps.</param>
public sealed record PoolWindow(
    int InHeight,
    int InWidth,
    int OutHeight,
    int OutWidth,
    int KernelHeight,
    int KernelWidth,
    int StrideY = 1,
    int StrideX = 1,
    int PadTop = 0,
    int PadLeft = 0,
    int PadBottom = 0,
    int PadRight = 0,
    int DilationY = 1,
    int DilationX = 1)
{
    /// <summary>Whether every position of the window covers at least one pixel of the input, not padding alone.</summary>
    public bool AlwaysCoversInput
    {
        get
        {
            bool covers = true;
            for (int y = 0; y < OutHeight; y++) covers &= Rows(y).Count > 0;
            for (int x = 0; x < OutWidth; x++) covers &= Columns(x).Count > 0;
            return covers;
        }
    }

    /// <summary>The taps of one output row that lie inside the input.</summary>
    internal Taps Rows(int outRow) => Taps.Of(outRow, StrideY, PadTop, PadBottom, DilationY, KernelHeight, InHeight);

    /// <summary>The taps of one output column that lie inside the input.</summary>
    internal Taps Columns(int outColumn) => Taps.Of(outColumn, StrideX, PadLeft, PadRight, DilationX, KernelWidth, InWidth);
}

/// <summary>A run of taps along one axis.</summary>
/// <param name="Start">Input position of the first tap inside.</param>
/// <param name="Count">Taps inside the input; may be 0.</param>
/// <param name="CountWithPadding">Taps inside the input or its padding.</param>
internal readonly record struct Taps(int Start, int Count, int CountWithPadding)
{
    public static Taps Of(int output, int stride, int padBefore, int padAfter, int dilation, int kernel, int size)
    {
        int origin = (output * stride) - padBefore;
        int skipped = origin < 0 ? (-origin + dilation - 1) / dilation : 0;
        int fitting = Math.Min(kernel, TapsBelow(size - origin, dilation));
        int padded = Math.Min(kernel, TapsBelow(size + padAfter - origin, dilation));
        return new Taps(origin + (skipped * dilation), Math.Max(0, fitting - skipped), padded);
    }

    private static int TapsBelow(int distance, int dilation) => distance <= 0 ? 0 : (distance + dilation - 1) / dilation;
}
