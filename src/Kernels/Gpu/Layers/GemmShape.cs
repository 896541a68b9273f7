namespace CoInference.Kernels.Gpu.Layers;

/// <summary>A stack of matrix products, row-major.</summary>
/// <param name="Rows">Rows of A and of the result.</param>
/// <param name="Columns">Columns of B and of the result.</param>
/// <param name="Depth">Columns of A, rows of B.</param>
/// <param name="TransposeA">Whether A is stored as [depth, rows].</param>
/// <param name="TransposeB">Whether B is stored as [columns, depth].</param>
/// <param name="Count">Products.</param>
/// <param name="CountA">Different As; product i uses A i modulo this.</param>
/// <param name="CountB">Different Bs; product i uses B i modulo this.</param>
public sealed record GemmShape(int Rows, int Columns, int Depth, bool TransposeA = false, bool TransposeB = false, int Count = 1, int CountA = 1, int CountB = 1)
{
    /// <summary>Values of all results.</summary>
    public long OutputCount => (long)Count * Rows * Columns;
}

/// <summary>What is added to a product.</summary>
public enum GemmBias
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>One value per row of each A.</summary>
    PerRow,

    /// <summary>One value per column.</summary>
    PerColumn,

    /// <summary>A matrix laid out as one result.</summary>
    Matrix,
}

/// <summary>What is fused into the store of a product: y = clamp(alpha A B + beta bias + residual).</summary>
/// <param name="Alpha">Factor of the product.</param>
/// <param name="Beta">Factor of the bias.</param>
/// <param name="Bias">What the bias is.</param>
/// <param name="HasResidual">Whether a residual laid out as the result is added.</param>
/// <param name="Minimum">Lower bound of the result.</param>
/// <param name="Maximum">Upper bound of the result.</param>
public readonly record struct GemmEpilogue(
    float Alpha = 1, float Beta = 1, GemmBias Bias = GemmBias.None, bool HasResidual = false, float Minimum = float.NegativeInfinity, float Maximum = float.PositiveInfinity)
{
    /// <summary>The product alone. The default of the type is not it: its factors are 0.</summary>
    public static GemmEpilogue None => new(Alpha: 1);
}

/// <summary>Where the matrices of a product lie.</summary>
/// <param name="A">The As.</param>
/// <param name="B">The Bs.</param>
/// <param name="Bias">The bias; ignored when there is none.</param>
/// <param name="Residual">The residual; ignored when there is none.</param>
/// <param name="Y">The results; may be the residual's memory.</param>
public readonly record struct GemmViews(DeviceView<float> A, DeviceView<float> B, DeviceView<float> Bias, DeviceView<float> Residual, DeviceView<float> Y);
