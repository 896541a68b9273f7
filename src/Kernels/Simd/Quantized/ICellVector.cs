namespace CoInference.Kernels.Simd.Quantized;

/// <summary>Vectors of 32-bit integers, each a sum or a cell: two numbers of 16 bits, or four of 8.</summary>
/// <typeparam name="TVector">A vector of <see cref="Lanes"/> 32-bit integers.</typeparam>
internal unsafe interface ICellVector<TVector>
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
}
