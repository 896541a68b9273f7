namespace CoInference.Kernels.Simd.Conv;

/// <summary>
/// The transforms of one Winograd algorithm F(m x m, 3 x 3): m x m outputs from a patch of (m + 2) x (m + 2) inputs by
/// one product per patch element.
/// </summary>
/// <remarks>
/// Y = A^T [(G g G^T) .* (B^T d B)] A, where the matrices are those of the Cook-Toom construction over the points
/// <see cref="Points"/> and infinity: B^T holds the coefficients of the product of (x - q) over all other points q, A the
/// powers of the points, and G the powers divided by the product of (p - q). Source: Lavin and Gray, "Fast Algorithms for
/// Convolutional Neural Networks", 2015.
/// </remarks>
/// <typeparam name="TVector">Vector type; its lanes are the channels of a block.</typeparam>
internal unsafe interface IWinogradTransform<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows and columns of outputs, m.</summary>
    static abstract int OutputSize { get; }

    /// <summary>The m + 1 finite interpolation points, in the order of the rows of B^T; the point at infinity follows.</summary>
    static abstract ReadOnlySpan<double> Points { get; }

    /// <summary>
    /// Rounding error of a convolution by these transforms, in units of 2^-24 x the largest |x| of the input x the largest sum
    /// of |w| of an output channel: a bound measured on random data with room to spare.
    /// </summary>
    static abstract double ErrorUnits { get; }

    /// <summary>Modelled cycles of transforming one patch of one channel block, input and output together.</summary>
    static abstract double PatchCycles { get; }

    /// <summary>Computes B^T d B of patches side by side.</summary>
    static abstract void Input(WinogradPatches* patches);

    /// <summary>Computes A^T M A of patches side by side, adds bias and residual and clamps.</summary>
    static abstract void Output(WinogradPatches* patches);
}
