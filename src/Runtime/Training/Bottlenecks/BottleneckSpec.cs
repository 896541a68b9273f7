using CoInference.Runtime.Splitting;

namespace CoInference.Runtime.Training.Bottlenecks;

/// <summary>
/// A learned encoder and decoder around a cut: a convolution from the feature's channels to a few, clamped to [0, 1] and
/// rounded to 2^bits levels, and a convolution back.
/// </summary>
/// <param name="Cut">Value at which the network is cut.</param>
/// <param name="Channels">Channels of the code.</param>
/// <param name="Bits">Bits per value of the code, 1 to 8.</param>
/// <param name="Kernel">Rows and columns of both convolutions, 1 or 3.</param>
/// <param name="Stride">1, or 2 for a code of half the rows and columns, which the decoder repeats.</param>
public sealed record BottleneckSpec(string Cut, int Channels, int Bits, int Kernel = 3, int Stride = 1)
{
    /// <summary>Levels of the code.</summary>
    public int Levels => 1 << Bits;

    /// <summary>Checks the numbers against the feature.</summary>
    /// <param name="cut">The cut.</param>
    /// <exception cref="ArgumentException">A number is out of range; the message names it.</exception>
    public void Validate(Cut cut)
    {
        ArgumentNullException.ThrowIfNull(cut);
        if (cut.Kind != CutKind.Interior || cut.Shape.Rank != 4) throw new ArgumentException($"A bottleneck needs an interior cut with a feature of rows and columns; '{cut.Value}' is {cut.Shape}.");
        if (Channels < 1 || Channels > cut.Shape[1]) throw new ArgumentException($"A bottleneck of {Channels} channels, expected 1 to the feature's {cut.Shape[1]}.");
        if (Bits is < 1 or > 8) throw new ArgumentException($"A bottleneck of {Bits} bits, expected 1 to 8.");
        if (Kernel is not (1 or 3)) throw new ArgumentException($"A bottleneck with a kernel of {Kernel}, expected 1 or 3.");
        if (Stride is not (1 or 2)) throw new ArgumentException($"A bottleneck with a stride of {Stride}, expected 1 or 2.");
        if (cut.Shape[2] % Stride != 0 || cut.Shape[3] % Stride != 0) throw new ArgumentException($"A feature of {cut.Shape[2]}x{cut.Shape[3]} cannot be halved.");
    }
}
