using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CoInference.Kernels.Devices;

namespace CoInference.Runtime.Profiling;

/// <summary>
/// Loops of independent multiply-adds in registers. Ten accumulators cover the latency of two pipes of four or five
/// cycles; they must be locals of a method without calls, or the compiler keeps them on the stack.
/// </summary>
internal static class FmaLoop
{
    private const int Accumulators = 10;

    /// <summary>Floating-point operations of one iteration.</summary>
    public static int FlopsPerIteration(VectorWidth width) => 2 * Accumulators * (int)width;

    /// <summary>Runs the loop; the result only keeps the work from being optimized away.</summary>
    public static float Run(VectorWidth width, int iterations) => width switch
    {
        VectorWidth.Vector512 => Run512(iterations),
        VectorWidth.Vector256 => Run256(iterations),
        VectorWidth.Vector128 => Run128(iterations),
        _ => RunScalar(iterations),
    };

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float Run512(int iterations)
    {
        Vector512<float> x = Vector512.Create(0.999f), y = Vector512.Create(0.001f);
        Vector512<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x;
        for (int n = 0; n < iterations; n++)
        {
            a = Vector512.FusedMultiplyAdd(a, x, y);
            b = Vector512.FusedMultiplyAdd(b, x, y);
            c = Vector512.FusedMultiplyAdd(c, x, y);
            d = Vector512.FusedMultiplyAdd(d, x, y);
            e = Vector512.FusedMultiplyAdd(e, x, y);
            f = Vector512.FusedMultiplyAdd(f, x, y);
            g = Vector512.FusedMultiplyAdd(g, x, y);
            h = Vector512.FusedMultiplyAdd(h, x, y);
            i = Vector512.FusedMultiplyAdd(i, x, y);
            j = Vector512.FusedMultiplyAdd(j, x, y);
        }

        return (a + b + c + d + e + f + g + h + i + j).GetElement(0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float Run256(int iterations)
    {
        Vector256<float> x = Vector256.Create(0.999f), y = Vector256.Create(0.001f);
        Vector256<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x;
        for (int n = 0; n < iterations; n++)
        {
            a = Vector256.FusedMultiplyAdd(a, x, y);
            b = Vector256.FusedMultiplyAdd(b, x, y);
            c = Vector256.FusedMultiplyAdd(c, x, y);
            d = Vector256.FusedMultiplyAdd(d, x, y);
            e = Vector256.FusedMultiplyAdd(e, x, y);
            f = Vector256.FusedMultiplyAdd(f, x, y);
            g = Vector256.FusedMultiplyAdd(g, x, y);
            h = Vector256.FusedMultiplyAdd(h, x, y);
            i = Vector256.FusedMultiplyAdd(i, x, y);
            j = Vector256.FusedMultiplyAdd(j, x, y);
        }

        return (a + b + c + d + e + f + g + h + i + j).GetElement(0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float Run128(int iterations)
    {
        Vector128<float> x = Vector128.Create(0.999f), y = Vector128.Create(0.001f);
        Vector128<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x;
        for (int n = 0; n < iterations; n++)
        {
            a = Vector128.MultiplyAddEstimate(a, x, y);
            b = Vector128.MultiplyAddEstimate(b, x, y);
            c = Vector128.MultiplyAddEstimate(c, x, y);
            d = Vector128.MultiplyAddEstimate(d, x, y);
            e = Vector128.MultiplyAddEstimate(e, x, y);
            f = Vector128.MultiplyAddEstimate(f, x, y);
            g = Vector128.MultiplyAddEstimate(g, x, y);
            h = Vector128.MultiplyAddEstimate(h, x, y);
            i = Vector128.MultiplyAddEstimate(i, x, y);
            j = Vector128.MultiplyAddEstimate(j, x, y);
        }

        return (a + b + c + d + e + f + g + h + i + j).GetElement(0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static float RunScalar(int iterations)
    {
        const float X = 0.999f, Y = 0.001f;
        float a = X, b = X, c = X, d = X, e = X, f = X, g = X, h = X, i = X, j = X;
        for (int n = 0; n < iterations; n++)
        {
            a = (a * X) + Y;
            b = (b * X) + Y;
            c = (c * X) + Y;
            d = (d * X) + Y;
            e = (e * X) + Y;
            f = (f * X) + Y;
            g = (g * X) + Y;
            h = (h * X) + Y;
            i = (i * X) + Y;
            j = (j * X) + Y;
        }

        return a + b + c + d + e + f + g + h + i + j;
    }
}
