using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>The weight transform G g G^T of a Winograd convolution, in double precision.</summary>
internal static class WinogradWeights
{
    private const int Taps = 3;

    /// <summary>G for the given finite points and infinity, row by row; see <see cref="IWinogradTransform{TVector}"/>.</summary>
    public static double[] Matrix(ReadOnlySpan<double> points)
    {
        var matrix = new double[(points.Length + 1) * Taps];
        for (int row = 0; row < points.Length; row++)
        {
            double scale = 1;
            for (int other = 0; other < points.Length; other++)
            {
                if (other != row) scale *= points[row] - points[other];
            }

            matrix[row * Taps] = 1 / scale;
            matrix[(row * Taps) + 1] = points[row] / scale;
            matrix[(row * Taps) + 2] = points[row] * points[row] / scale;
        }

        matrix[^1] = 1;
        return matrix;
    }

    /// <summary>The nine weights between two channels.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="weights">[OutChannels, InChannels, 3, 3].</param>
    /// <param name="outChannel">Output channel.</param>
    /// <param name="inChannel">Input channel.</param>
    public static ReadOnlySpan<float> Kernel(ConvShape shape, ReadOnlySpan<float> weights, int outChannel, int inChannel) =>
        weights.Slice(((outChannel * shape.InChannels) + inChannel) * Taps * Taps, Taps * Taps);

    /// <summary>Transforms one 3x3 kernel.</summary>
    /// <param name="matrix">G.</param>
    /// <param name="kernel">Nine weights, row by row.</param>
    /// <param name="elements">Receives the elements, row by row.</param>
    public static void Transform(double[] matrix, ReadOnlySpan<float> kernel, Span<float> elements)
    {
        int size = matrix.Length / Taps;
        Span<double> left = stackalloc double[size * Taps];
        for (int row = 0; row < size; row++)
        {
            for (int column = 0; column < Taps; column++)
            {
                left[(row * Taps) + column] = (matrix[row * Taps] * kernel[column])
                    + (matrix[(row * Taps) + 1] * kernel[Taps + column]) + (matrix[(row * Taps) + 2] * kernel[(2 * Taps) + column]);
            }
        }

        for (int row = 0; row < size; row++)
        {
            ReadOnlySpan<double> from = left.Slice(row * Taps, Taps);
            for (int column = 0; column < size; column++)
            {
                elements[(row * size) + column] = (float)((matrix[column * Taps] * from[0])
                    + (matrix[(column * Taps) + 1] * from[1]) + (matrix[(column * Taps) + 2] * from[2]));
            }
        }
    }
}
