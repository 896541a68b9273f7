namespace CoInference.Kernels.Simd.Codec;

/// <summary>Rebuilds dropped channels of a feature as affine combinations of the kept ones, pixel by pixel.</summary>
public static unsafe class ChannelMap
{
    /// <summary>
    /// target(d, p) = max(minimum(d), bias(d) + sum over k of weights(d, k) * source(k, p)), with the planes of source and
    /// target found through offset lists into one feature.
    /// </summary>
    /// <param name="feature">Channel-major feature that holds both the kept and the dropped planes.</param>
    /// <param name="pixels">Values per plane.</param>
    /// <param name="kept">Channel numbers of the sources.</param>
    /// <param name="dropped">Channel numbers of the targets.</param>
    /// <param name="weights">[dropped, kept].</param>
    /// <param name="bias">[dropped].</param>
    /// <param name="minimum">[dropped], lower bound of each target.</param>
    public static void Apply(float* feature, int pixels, ReadOnlySpan<int> kept, ReadOnlySpan<int> dropped, float* weights, float* bias, float* minimum)
    {
        for (int d = 0; d < dropped.Length; d++)
        {
            float* target = feature + ((nint)dropped[d] * pixels);
            float* row = weights + ((nint)d * kept.Length);
            new Span<float>(target, pixels).Fill(bias[d]);
            for (int k = 0; k < kept.Length; k++)
            {
                float* source = feature + ((nint)kept[k] * pixels);
                for (int p = 0; p < pixels; p++) target[p] += row[k] * source[p];
            }

            for (int p = 0; p < pixels; p++) target[p] = Math.Max(minimum[d], target[p]);
        }
    }
}
