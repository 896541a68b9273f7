using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>
/// How a direct convolution sees its input: either in place, or as a band of rows copied to scratch memory with the
/// padding written out. In both cases neighbouring output pixels of a row read neighbouring input pixels, so that one
/// micro-kernel serves every stride, padding and dilation.
/// </summary>
/// <remarks>
/// With a horizontal stride s the copy stores a row as s phases (columns 0, s, 2s, ... then 1, s+1, ...), of which only
/// those that some tap reads exist. Planar input with stride 2 is kept interleaved instead: shuffling single floats
/// costs more than reading every second one.
/// </remarks>
internal sealed unsafe class InputWindow
{
    private readonly ConvShape _shape;
    private readonly int _channelsPerBlock;
    private readonly int _phaseStep;
    private readonly int[] _phases;
    private readonly int[] _phaseColumns;
    private readonly int _rowFloats;

    /// <summary>Plans the view of one image.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="channelsPerBlock">Channels per block of the input layout; 1 is planar.</param>
    /// <param name="inputBlocks">Channel blocks of one image.</param>
    public InputWindow(ConvShape shape, int channelsPerBlock, int inputBlocks)
    {
        _shape = shape;
        _channelsPerBlock = channelsPerBlock;
        InputBlocks = inputBlocks;
        bool interleaved = channelsPerBlock == 1 && shape.StrideX == 2;
        Pitch = interleaved ? 2 : channelsPerBlock;
        _phaseStep = interleaved ? 1 : shape.StrideX;

        Copies = shape.PadTop + shape.PadBottom + shape.PadLeft + shape.PadRight > 0 || _phaseStep > 1;
        Flattens = !Copies && shape is { KernelHeight: 1, KernelWidth: 1, StrideY: 1, StrideX: 1 };

        // Columns that exist in padded coordinates: the last output pixel's last tap is the last one.
        int paddedWidth = ((shape.OutWidth - 1) * shape.StrideX) + ((shape.KernelWidth - 1) * shape.DilationX) + 1;
        var phases = new SortedSet<int>();
        for (int kx = 0; kx < shape.KernelWidth; kx++) phases.Add(kx * shape.DilationX % _phaseStep);
        _phases = [.. phases];
        _phaseColumns = Array.ConvertAll(_phases, phase => (paddedWidth - phase + _phaseStep - 1) / _phaseStep);
        _rowFloats = Copies ? _phaseColumns.Sum() * channelsPerBlock : shape.InWidth * channelsPerBlock;

        // Without vertical overlap only the rows that are read are copied.
        RowStep = Copies && shape.KernelHeight == 1 ? _rowFloats : shape.StrideY * _rowFloats;
        TapOffsets = BuildTapOffsets();
    }

    /// <summary>Whether rows are copied to scratch memory.</summary>
    public bool Copies { get; }

    /// <summary>Whether the whole image can be read as one row: 1x1 kernels without stride and padding.</summary>
    public bool Flattens { get; }

    /// <summary>Channel blocks of one image.</summary>
    public int InputBlocks { get; }

    /// <summary>Floats between the input of neighbouring output pixels.</summary>
    public int Pitch { get; }

    /// <summary>Floats between the input of neighbouring output rows.</summary>
    public nint RowStep { get; }

    /// <summary>Offset of each tap in floats, row by row of the kernel.</summary>
    public nint[] TapOffsets { get; }

    /// <summary>Floats of one channel block of a band of <paramref name="outputRows"/> rows.</summary>
    public nint BlockFloats(int outputRows) =>
        Copies ? (nint)InputRows(outputRows) * _rowFloats : (nint)_shape.InHeight * _shape.InWidth * _channelsPerBlock;

    /// <summary>Bytes of scratch memory for a band of <paramref name="outputRows"/> rows, a multiple of 64.</summary>
    public long BandBytes(int outputRows) =>
        Copies ? ((InputBlocks * (long)BlockFloats(outputRows) * sizeof(float)) + 63) / 64 * 64 : 0;

    /// <summary>
    /// Makes output rows <paramref name="firstRow"/> to <paramref name="firstRow"/> + <paramref name="outputRows"/> - 1 readable.
    /// </summary>
    /// <param name="image">The image in the input layout.</param>
    /// <param name="band">Scratch memory of <see cref="BandBytes"/>.</param>
    /// <param name="firstRow">First output row.</param>
    /// <param name="outputRows">Output rows.</param>
    /// <param name="firstBlock">First channel block to copy.</param>
    /// <param name="blocks">Channel blocks to copy.</param>
    /// <returns>What tap (0, 0) of the first output pixel of the first row reads in channel block 0.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public float* Open(float* image, float* band, int firstRow, int outputRows, int firstBlock, int blocks)
    {
        if (!Copies) return image + (firstRow * RowStep);
        nint planeFloats = (nint)_shape.InHeight * _shape.InWidth * _channelsPerBlock;
        nint blockFloats = BlockFloats(outputRows);
        int rows = InputRows(outputRows);
        int rowStride = _shape.KernelHeight == 1 ? _shape.StrideY : 1;
        int firstInputRow = (firstRow * _shape.StrideY) - _shape.PadTop;
        for (int block = firstBlock; block < firstBlock + blocks; block++)
        {
            float* plane = image + (block * planeFloats);
            float* target = band + (block * blockFloats);
            for (int row = 0; row < rows; row++)
            {
                int y = firstInputRow + (row * rowStride);
                if ((uint)y < (uint)_shape.InHeight) CopyRow(plane + ((nint)y * _shape.InWidth * _channelsPerBlock), target);
                else new Span<float>(target, _rowFloats).Clear();
                target += _rowFloats;
            }
        }

        return band;
    }

    private int InputRows(int outputRows) => _shape.KernelHeight == 1
        ? outputRows
        : ((outputRows - 1) * _shape.StrideY) + ((_shape.KernelHeight - 1) * _shape.DilationY) + 1;

    private nint[] BuildTapOffsets()
    {
        var offsets = new nint[_shape.KernelHeight * _shape.KernelWidth];
        for (int kx = 0; kx < _shape.KernelWidth; kx++)
        {
            int column = kx * _shape.DilationX;
            int slot = Array.IndexOf(_phases, column % _phaseStep);
            int phaseStart = Copies ? _phaseColumns.Take(slot).Sum() : 0;
            nint offset = (nint)(phaseStart + (column / _phaseStep)) * _channelsPerBlock;
            for (int ky = 0; ky < _shape.KernelHeight; ky++)
                offsets[(ky * _shape.KernelWidth) + kx] = offset + ((nint)ky * _shape.DilationY * _rowFloats);
        }

        return offsets;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void CopyRow(float* row, float* target)
    {
        for (int slot = 0; slot < _phases.Length; slot++)
        {
            int columns = _phaseColumns[slot];
            int shift = _phases[slot] - _shape.PadLeft;

            // Column j of the phase is input column j * step + shift; first and end bound those inside the image.
            int first = Math.Clamp((-shift + _phaseStep - 1) / _phaseStep, 0, columns);
            int end = shift >= _shape.InWidth ? first : Math.Clamp(((_shape.InWidth - 1 - shift) / _phaseStep) + 1, first, columns);
            new Span<float>(target, first * _channelsPerBlock).Clear();
            float* from = row + ((((nint)first * _phaseStep) + shift) * _channelsPerBlock);
            float* to = target + ((nint)first * _channelsPerBlock);
            if (_phaseStep == 1)
            {
                new ReadOnlySpan<float>(from, (end - first) * _channelsPerBlock).CopyTo(new Span<float>(to, (end - first) * _channelsPerBlock));
            }
            else
            {
                nint step = (nint)_phaseStep * _channelsPerBlock;
                for (int column = first; column < end; column++, from += step, to += _channelsPerBlock) CopyPixel(from, to);
            }

            target += (nint)columns * _channelsPerBlock;
            new Span<float>(target - ((nint)(columns - end) * _channelsPerBlock), (columns - end) * _channelsPerBlock).Clear();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void CopyPixel(float* from, float* to)
    {
        switch (_channelsPerBlock)
        {
            case 16: Vector512.Store(Vector512.Load(from), to); break;
            case 8: Vector256.Store(Vector256.Load(from), to); break;
            case 4: Vector128.Store(Vector128.Load(from), to); break;
            default: for (int lane = 0; lane < _channelsPerBlock; lane++) to[lane] = from[lane]; break;
        }
    }
}
