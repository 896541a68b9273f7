namespace CoInference.Kernels.Simd.Quantized;

/// <summary>
/// The step of every 8-bit layer: products of the numbers in 32-bit cells, two of 16 bits or four of 8, summed in 32 bits
/// exactly, so that nothing can saturate.
/// </summary>
/// <typeparam name="TVector">A vector of <see cref="Lanes"/> 32-bit integers; each also holds a cell.</typeparam>
internal unsafe interface ICellProduct<TVector>
    where TVector : unmanaged
{
    /// <summary>Cells per vector.</summary>
    static abstract int Lanes { get; }

    /// <summary>All lanes zero.</summary>
    static abstract TVector Zero { get; }

    /// <summary>Reads <see cref="Lanes"/> cells or sums.</summary>
    static abstract TVector Load(int* source);

    /// <summary>One cell in every lane.</summary>
    static abstract TVector Broadcast(int cell);

    /// <summary>Writes the sums.</summary>
    static abstract void Store(int* target, TVector sums);

    /// <summary>The bits of the nearest float32 of each sum.</summary>
    static abstract TVector ToFloats(TVector sums);

    /// <summary>sums plus the products of the cells of inputs and weights, per lane.</summary>
    static abstract TVector MultiplyAdd(TVector inputs, TVector weights, TVector sums);
}
