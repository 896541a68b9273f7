using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Conv;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Gemm;

/// <summary>
/// The right-hand matrix of a product, packed once for repeated use, with what follows the product: a bias per column
/// and a clamp. Columns are cut into groups of one to four vectors; a group is stored row by row without gaps.
/// </summary>
public sealed unsafe class PackedMatrix
{
    private const int WideGroup = 4;
    private const int NarrowGroup = 2;

    private readonly AlignedBuffer _values;
    private readonly int _lanes;
    private readonly TilePlan.Split _groups;

    private PackedMatrix(int rows, int columns, Epilogue epilogue, ReadOnlySpan<float> bias, int expectedRows)
    {
        Rows = rows;
        Columns = columns;
        _lanes = (int)CpuFeatures.Widest;
        int blocks = (columns + _lanes - 1) / _lanes;

        // A product with few rows is bound by reading this matrix: more vectors per step keep more loads in flight.
        bool wide = TilePlan.MaxPixels(CpuFeatures.Widest, WideGroup) >= expectedRows;
        _groups = TilePlan.Balance(blocks, wide ? WideGroup : NarrowGroup);
        _values = new AlignedBuffer((long)blocks * _lanes * rows * sizeof(float));
        ColumnEpilogue = new ChannelEpilogue(epilogue, bias, columns, _lanes, TilePlan.MaxBlocks * _lanes);
    }

    /// <summary>Rows of the matrix: the length of the sums of the product.</summary>
    public int Rows { get; }

    /// <summary>Columns of the matrix and of the product.</summary>
    public int Columns { get; }

    /// <summary>Bytes of packed values.</summary>
    public long SizeInBytes => _values.Length;

    /// <summary>Groups of column vectors.</summary>
    internal int GroupCount => _groups.Big + _groups.Small;

    /// <summary>Bias and bounds per column.</summary>
    internal ChannelEpilogue ColumnEpilogue { get; }

    /// <summary>Packs a matrix.</summary>
    /// <param name="rows">Rows of the matrix as it enters the product.</param>
    /// <param name="columns">Columns of the matrix as it enters the product.</param>
    /// <param name="values">Row-major [rows, columns], or [columns, rows] when <paramref name="transposed"/>.</param>
    /// <param name="transposed">Whether <paramref name="values"/> holds the transpose, as the weights of a fully connected layer do.</param>
    /// <param name="bias">One value per column, or empty for none.</param>
    /// <param name="epilogue">Activation of the product; the residual is an argument of <see cref="Gemm.Run"/>.</param>
    /// <param name="expectedRows">Rows of the left-hand matrices to come, if known to be few.</param>
    /// <exception cref="ArgumentException">A dimension is below 1 or a length does not fit; the message names it.</exception>
    public static PackedMatrix Pack(
        int rows,
        int columns,
        ReadOnlySpan<float> values,
        bool transposed = false,
        ReadOnlySpan<float> bias = default,
        Epilogue epilogue = default,
        int expectedRows = int.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        if (values.Length != (long)rows * columns)
            throw new ArgumentException($"A {rows}x{columns} matrix has {values.Length} values.", nameof(values));
        if (!bias.IsEmpty && bias.Length != columns)
            throw new ArgumentException($"{bias.Length} bias values do not fit {columns} columns.", nameof(bias));
        var matrix = new PackedMatrix(rows, columns, epilogue, bias, expectedRows);
        fixed (float* source = values) matrix.Repack(source, transposed ? rows : columns, transposed);
        return matrix;
    }

    /// <summary>Makes room for a matrix whose values <see cref="Repack"/> brings; they are zero until then.</summary>
    /// <param name="rows">Rows of the matrix as it enters the product.</param>
    /// <param name="columns">Columns of the matrix as it enters the product.</param>
    /// <param name="bias">One value per column, or empty for none.</param>
    /// <param name="epilogue">Activation of the product; the residual is an argument of <see cref="Gemm.Run"/>.</param>
    /// <exception cref="ArgumentException">A dimension is below 1 or the bias does not fit; the message names it.</exception>
    public static PackedMatrix Allocate(int rows, int columns, ReadOnlySpan<float> bias = default, Epilogue epilogue = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        if (!bias.IsEmpty && bias.Length != columns)
            throw new ArgumentException($"{bias.Length} bias values do not fit {columns} columns.", nameof(bias));
        return new PackedMatrix(rows, columns, epilogue, bias, expectedRows: int.MaxValue);
    }

    /// <summary>Replaces the values; allocates nothing.</summary>
    /// <param name="values">Row-major values of the same dimensions.</param>
    /// <param name="stride">Floats between rows of <paramref name="values"/> as stored.</param>
    /// <param name="transposed">Whether <paramref name="values"/> holds the transpose.</param>
    public void Repack(float* values, int stride, bool transposed)
    {
        float* target = (float*)_values.Pointer;
        nint rowStep = transposed ? 1 : stride, columnStep = transposed ? stride : 1;
        for (int group = 0; group < GroupCount; group++)
        {
            int first = FirstBlock(group) * _lanes, width = Blocks(group) * _lanes;
            int filled = Math.Min(width, Columns - first);
            for (int row = 0; row < Rows; row++, target += width)
            {
                float* source = values + (row * rowStep) + (first * columnStep);
                if (!transposed)
                {
                    new ReadOnlySpan<float>(source, filled).CopyTo(new Span<float>(target, filled));
                }
                else
                {
                    for (int column = 0; column < filled; column++) target[column] = source[column * columnStep];
                }
            }
        }
    }

    /// <summary>Column vectors of a group.</summary>
    internal int Blocks(int group) => group < _groups.Big ? _groups.Size : _groups.Size - 1;

    /// <summary>First column vector of a group.</summary>
    internal int FirstBlock(int group) => (group * (_groups.Size - 1)) + Math.Min(group, _groups.Big);

    /// <summary>Values of a group: [row][vector][lane].</summary>
    internal float* Group(int group) => (float*)_values.Pointer + ((nint)FirstBlock(group) * _lanes * Rows);
}
