using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>
/// Depthwise convolution of 8-bit integers in floats: with at most <see cref="MaximumTaps"/> taps every sum is an integer
/// below 2^24, which a float32 holds exactly.
/// </summary>
/// <remarks>
/// A unit is a channel. Its plane is copied into a border that holds the zero point; then every output sums over the same
/// taps, and the zero point comes to a constant from which the sums start. Vectors run along a row of outputs and convert
/// its bytes as they load them.
/// </remarks>
internal sealed unsafe class DepthwiseByteConv : ByteConvKernel
{
    private const int MaximumTaps = (1 << 24) / (255 * 255);
    private const int Lanes = 8;

    private readonly ConvShape _shape;
    private readonly int _taps;
    private readonly float[] _weights;
    private readonly int _rows;
    private readonly int _columns;

    public DepthwiseByteConv(ConvShape shape, ReadOnlySpan<short> weights)
    {
        _shape = shape;
        _taps = shape.KernelHeight * shape.KernelWidth;
        _weights = new float[weights.Length];
        for (int i = 0; i < _weights.Length; i++) _weights[i] = weights[i];
        int paddedOutputs = (shape.OutWidth + Lanes - 1) / Lanes * Lanes;
        _rows = ((shape.OutHeight - 1) * shape.StrideY) + ((shape.KernelHeight - 1) * shape.DilationY) + 1;
        _columns = (paddedOutputs * shape.StrideX) + ((shape.KernelWidth - 1) * shape.DilationX) + 1;
    }

    /// <inheritdoc/>
    public override string Name => "conv.integer.depthwise";

    /// <inheritdoc/>
    public override int Units => _shape.Batch * _shape.OutChannels;

    /// <inheritdoc/>
    public override long ScratchBytes => Units * UnitBytes;

    private int Pixels => _shape.OutHeight * _shape.OutWidth;

    private long UnitBytes => PlaneBytes + ((((long)Pixels * sizeof(int)) + 63) / 64 * 64);

    private long PlaneBytes => (((long)_rows * _columns) + 63) / 64 * 64;

    /// <summary>Whether every output channel reads one input channel, with a stride that vectors can load, and its sums are exact.</summary>
    public static bool Supports(ConvShape shape) =>
        shape.Groups == shape.InChannels && shape.Groups > 1 && shape.StrideX <= 2 && shape.KernelHeight * shape.KernelWidth <= MaximumTaps;

    /// <inheritdoc/>
    public override void Run(
        byte* input, bool isSigned, int zeroPoint, int* output, bool storesFloats, RequantizedOutput* requantized, byte* scratch, int firstUnit, int endUnit)
    {
        byte flip = isSigned ? (byte)0x80 : (byte)0;
        int zero = isSigned ? zeroPoint + 128 : zeroPoint;
        int multiplier = _shape.OutChannels / _shape.Groups;
        fixed (float* weights = _weights)
        {
            for (int unit = firstUnit; unit < endUnit; unit++)
            {
                (int image, int channel) = Math.DivRem(unit, _shape.OutChannels);
                byte* plane = input + ((((long)image * _shape.InChannels) + (channel / multiplier)) * _shape.InHeight * _shape.InWidth);
                byte* copy = scratch + (unit * UnitBytes);
                int* sums = requantized == null ? output + ((long)unit * Pixels) : (int*)(copy + PlaneBytes);
                Copy(plane, (byte)(zero ^ flip), copy);
                Multiply(copy, flip, zero, weights + ((long)channel * _taps), sums, storesFloats);
                if (requantized != null) requantized->Store(sums, Pixels, channel, (long)unit * Pixels);
            }
        }
    }

    private void Copy(byte* plane, byte border, byte* target)
    {
        int before = Math.Min(_shape.PadLeft, _columns);
        int inside = Math.Clamp(_columns - before, 0, _shape.InWidth);
        new Span<byte>(target, _rows * _columns).Fill(border);
        for (int y = Math.Max(0, _shape.PadTop); y < Math.Min(_rows, _shape.InHeight + _shape.PadTop); y++)
            new ReadOnlySpan<byte>(plane + ((nint)(y - _shape.PadTop) * _shape.InWidth), inside).CopyTo(new Span<byte>(target + ((nint)y * _columns) + before, inside));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Multiply(byte* plane, byte flip, int zero, float* weights, int* target, bool storesFloats)
    {
        int kernelHeight = _shape.KernelHeight, kernelWidth = _shape.KernelWidth, dilation = _shape.DilationX, stride = _shape.StrideX;
        int width = _shape.OutWidth;
        nint tapRow = (nint)_shape.DilationY * _columns;
        Vector128<byte> sign = Vector128.Create(flip);
        float start = 0;
        for (int tap = 0; tap < _taps; tap++) start -= zero * weights[tap];
        int* tail = stackalloc int[Lanes];
        for (int y = 0; y < _shape.OutHeight; y++, target += width)
        {
            byte* row = plane + ((nint)y * _shape.StrideY * _columns);
            for (int x = 0; x < width; x += Lanes)
            {
                Vector256<float> sum = Vector256.Create(start);
                float* weight = weights;
                byte* corner = row + ((nint)x * stride);
                for (int ky = 0; ky < kernelHeight; ky++, corner += tapRow)
                {
                    byte* source = corner;
                    for (int kx = 0; kx < kernelWidth; kx++, source += dilation, weight++)
                        sum = Vector256.FusedMultiplyAdd(Vector256.Create(*weight), Load(source, stride, sign), sum);
                }

                Vector256<int> sums = storesFloats ? sum.AsInt32() : Vector256.ConvertToInt32(sum);
                if (x + Lanes <= width)
                {
                    sums.Store(target + x);
                    continue;
                }

                sums.Store(tail);
                for (int i = x; i < width; i++) target[i] = tail[i - x];
            }
        }
    }

    /// <summary>Eight bytes, each or every second one, as floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Load(byte* source, int stride, Vector128<byte> sign)
    {
        Vector128<ushort> words = stride == 1
            ? Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)source).AsByte() ^ sign)
            : (Vector128.Load(source) ^ sign).AsUInt16() & Vector128.Create((ushort)0xFF);
        if (Avx2.IsSupported) return Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(words));
        return Vector256.ConvertToSingle(Vector256.Create(Vector128.WidenLower(words), Vector128.WidenUpper(words)).AsInt32());
    }
}
