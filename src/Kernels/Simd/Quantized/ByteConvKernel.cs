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

    /// <summary>Computes some units; the parameters are those of <see cref="IntegerConv.Run"/>.</summary>
    public abstract void Run(byte* input, bool isSigned, int zeroPoint, int* output, bool storesFloats, byte* scratch, int firstUnit, int endUnit);
}
