namespace CoInference.Kernels.Simd.Quantized;

/// <summary>
/// The step of every 8-bit layer: products of the numbers in 32-bit cells, summed in 32 bits exactly, so that nothing can saturate.
/// </summary>
/// <typeparam name="TVector">A vector of cells; see <see cref="ICellVector{TVector}"/>.</typeparam>
internal interface ICellProduct<TVector>
    where TVector : unmanaged
{
    /// <summary>sums plus the products of the cells of inputs and weights, per lane.</summary>
    static abstract TVector MultiplyAdd(TVector inputs, TVector weights, TVector sums);
}
