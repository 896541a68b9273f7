namespace CoInference.Kernels.Simd.Quantized;

/// <summary>One way to run a layer of 8-bit integers, with its packed weights; see <see cref="IntegerConv"/>.</summary>
internal abstract unsafe class ByteConvKernel
{
    /// <summary>Name, e.g. <c>conv.integer.vnni256</c>.</summary>
    public abstract string Name { get; }

    /// <summary>Independent parts of the work.</summary>
    public abstract int Units { get; }

    /// <summary>Scratch memory of one run over all units, in bytes.</summary>
    public virtual long ScratchBytes => 0;

    /// <summary>Computes some units; the parameters are those of <see cref="IntegerConv.Run"/> and <see cref="IntegerConv.RunRequantized"/>.</summary>
    /// <param name="input">Input.</param>
    /// <param name="isSigned">Whether it is signed.</param>
    /// <param name="zeroPoint">Its zero point.</param>
    /// <param name="output">Receives sums; not used with <paramref name="requantized"/>.</param>
    /// <param name="storesFloats">Whether sums are stored as floats.</param>
    /// <param name="requantized">Receives bytes in place of sums; null for sums.</param>
    /// <param name="scratch">Scratch memory.</param>
    /// <param name="firstUnit">First unit.</param>
    /// <param name="endUnit">Unit after the last.</param>
    public abstract void Run(
        byte* input, bool isSigned, int zeroPoint, int* output, bool storesFloats, RequantizedOutput* requantized, byte* scratch, int firstUnit, int endUnit);
}
