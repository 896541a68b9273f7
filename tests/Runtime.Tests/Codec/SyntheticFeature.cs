using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Tests.Codec;

/// <summary>Features like those behind a ReLU: smooth planes, correlated channels, many zeros.</summary>
internal static class SyntheticFeature
{
    /// <summary>Makes <paramref name="images"/> features of [1, channels, size, size], mixtures of <paramref name="sources"/> patterns.</summary>
    public static (float[] Values, TensorShape Shape) Relu(int images, int channels, int size, int sources, int seed = 1)
    {
        var random = new Random(seed);
        var mixing = new float[channels * sources];
        for (int i = 0; i < mixing.Length; i++) mixing[i] = (float)((random.NextDouble() * 2) - 1);
        var shape = new TensorShape(1, channels, size, size);
        var values = new float[images * shape.Count];
        var pattern = new float[sources];
        for (int n = 0; n < images; n++)
        {
            double phase = random.NextDouble() * 10;
            for (int p = 0; p < size * size; p++)
            {
                for (int s = 0; s < sources; s++) pattern[s] = (float)Math.Sin(phase + ((s + 1) * (p % size) * 0.31) + ((s + 2) * (p / size) * 0.17));
                for (int c = 0; c < channels; c++)
                {
                    float sum = 0;
                    for (int s = 0; s < sources; s++) sum += mixing[(c * sources) + s] * pattern[s];
                    values[(n * shape.Count) + (c * size * size) + p] = Math.Max(0, sum);
                }
            }
        }

        return (values, shape);
    }

    /// <summary>Root mean square difference.</summary>
    public static double Rms(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        return Math.Sqrt(sum / a.Length);
    }
}
