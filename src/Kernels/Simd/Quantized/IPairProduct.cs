namespace CoInference.Kernels.Simd.Quantized;

/// <summary>
/// Products of pairs of 16-bit integers summed in 32 bits, exactly: the step of every 8-bit layer, whose operands widen
/// to 16 bits so that no product and no sum can saturate.
/// </summary>
/// <typeparam name="TVector">A vector of <see cref="Lanes"/> 32-bit integers; each also holds a pair of 16-bit ones.</typeparam>
internal unsafe interface IPairProduct<TVector>
    where TVector : unmanaged
{
    /// <summary>Pairs per vector.</summary>
    static abstract int Lanes { get; }

    /// <summary>All lanes zero.</summary>
    static abstract TVector Zero { get; }

    /// <summary>Reads <see cref="Lanes"/> pairs.</summary>
    static abstract TVector LoadPairs(short* source);

    /// <summary>One pair in every lane.</summary>
    static abstract TVector Broadcast(int pair);

    /// <summary>Writes the sums.</summary>
    static abstract void Store(int* target, TVector sums);

    /// <summary>sums + low(x) low(y) + high(x) high(y), per lane.</summary>
    static abstract TVector MultiplyAdd(TVector x, TVector y, TVector sums);
}
