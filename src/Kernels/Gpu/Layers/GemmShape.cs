using System.Globalization;
using System.Text.RegularExpressions;

namespace CoInference.Kernels.Gpu.Layers;

/// <summary>A stack of matrix products, row-major, written as <c>COUNTxROWSxCOLUMNSxDEPTH[:ta][:tb][:aN][:bN]</c>.</summary>
/// <param name="Rows">Rows of A and of the result.</param>
/// <param name="Columns">Columns of B and of the result.</param>
/// <param name="Depth">Columns of A, rows of B.</param>
/// <param name="TransposeA">Whether A is stored as [depth, rows].</param>
/// <param name="TransposeB">Whether B is stored as [columns, depth].</param>
/// <param name="Count">Products.</param>
/// <param name="CountA">Different As; product i uses A i modulo this.</param>
/// <param name="CountB">Different Bs; product i uses B i modulo this.</param>
public sealed partial record GemmShape(int Rows, int Columns, int Depth, bool TransposeA = false, bool TransposeB = false, int Count = 1, int CountA = 1, int CountB = 1)
{
    // Indices of values fit 32 bits.
    private const long MostValues = int.MaxValue;

    /// <summary>Values of all results.</summary>
    public long OutputCount => (long)Count * Rows * Columns;

    /// <summary>Multiply-accumulates of the whole stack.</summary>
    public long MultiplyAdds => OutputCount * Depth;

    /// <summary>
    /// Reads a stack of products: <c>12x64x64x32:tb</c> are twelve products of 64 x 32 and 32 x 64 matrices, the second stored transposed;
    /// <c>a1</c> or <c>b1</c> says that the stack has one A or one B for all products.
    /// </summary>
    /// <param name="text">COUNTxROWSxCOLUMNSxDEPTH, then any of <c>:ta</c>, <c>:tb</c>, <c>:aN</c> and <c>:bN</c>, each once; each product has its own matrices where N is not given.</param>
    /// <exception cref="FormatException">The text has another form, or a number or the size of a matrix stack is out of range; the message says what is expected.</exception>
    public static GemmShape Parse(string text)
    {
        Match match = Form().Match(text);
        if (!match.Success) throw Malformed(text);
        int[] sizes = [.. match.Groups["size"].Captures.Select(capture => Number(capture.Value, text))];
        var shape = new GemmShape(sizes[1], sizes[2], sizes[3], Count: sizes[0], CountA: sizes[0], CountB: sizes[0]);
        string[] fields = [.. match.Groups["field"].Captures.Select(capture => capture.Value)];
        if (fields.DistinctBy(field => field[0] == 't' ? field : field[..1]).Count() != fields.Length) throw Malformed(text);
        foreach (string field in fields)
        {
            shape = field switch
            {
                "ta" => shape with { TransposeA = true },
                "tb" => shape with { TransposeB = true },
                ['a', .. string count] => shape with { CountA = Number(count, text) },
                _ => shape with { CountB = Number(field[1..], text) },
            };
        }

        if (shape.CountA > shape.Count || shape.CountB > shape.Count)
            throw new FormatException($"Product '{text}' has more different matrices than products.");
        if (shape.OutputCount > MostValues || (long)shape.CountA * shape.Rows * shape.Depth > MostValues || (long)shape.CountB * shape.Columns * shape.Depth > MostValues)
            throw new FormatException($"Product '{text}' has a stack of matrices of more than {MostValues} values.");
        return shape;
    }

    /// <summary>The form that <see cref="Parse"/> reads.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Count}x{Rows}x{Columns}x{Depth}{(TransposeA ? ":ta" : "")}{(TransposeB ? ":tb" : "")}{(CountA < Count ? $":a{CountA}" : "")}{(CountB < Count ? $":b{CountB}" : "")}");

    private static int Number(string digits, string whole) =>
        int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number is > 0 and <= 1 << 24 ? number : throw Malformed(whole);

    private static FormatException Malformed(string text) =>
        new($"Product '{text}' is not of the form COUNTxROWSxCOLUMNSxDEPTH[:ta][:tb][:aN][:bN], e.g. 12x64x64x32:tb.");

    [GeneratedRegex(@"^(?<size>\d+)(x(?<size>\d+)){3}(:(?<field>ta|tb|a\d+|b\d+))*$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Form();
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
