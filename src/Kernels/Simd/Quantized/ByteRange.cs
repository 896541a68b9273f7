using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>Rounds floats to 8-bit integers as ONNX does: to even, plus a zero point, saturated.</summary>
internal readonly unsafe struct ByteRange
{
    /// <summary>Values that <see cref="Store"/> takes at a time.</summary>
    public const int Group = 32;

    private readonly int _zeroPoint;
    private readonly float _minimum;
    private readonly float _maximum;

    /// <summary>The range of signed bytes, -128 to 127, or of unsigned ones, 0 to 255.</summary>
    public ByteRange(int zeroPoint, bool isSigned)
    {
        _zeroPoint = zeroPoint;
        (_minimum, _maximum) = isSigned ? (-128f, 127f) : (0f, 255f);
    }

    /// <summary>One value; a signed result by its bits.</summary>
    public byte Round(float value) => (byte)(int)Math.Clamp(MathF.Round(value, MidpointRounding.ToEven) + _zeroPoint, _minimum, _maximum);

    /// <summary>Writes <see cref="Group"/> values.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d, byte* target) =>
        Vector256.Narrow(Vector256.Narrow(Integers(a), Integers(b)), Vector256.Narrow(Integers(c), Integers(d))).AsByte().Store(target);

    // A value too large for the sum with the zero point to be exact is beyond the range with and without it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector256<int> Integers(Vector256<float> values)
    {
        Vector256<float> rounded = Vector256.Round(values) + Vector256.Create((float)_zeroPoint);
        return Vector256.ConvertToInt32Native(Vector256.MinNative(Vector256.MaxNative(rounded, Vector256.Create(_minimum)), Vector256.Create(_maximum)));
    }
}
