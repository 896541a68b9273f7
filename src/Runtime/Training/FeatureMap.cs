namespace CoInference.Runtime.Training;

/// <summary>
/// The values between two layers during training and the loss's gradient with respect to them, both row-major
/// [batch, height, width, channels]: with channels innermost, every convolution tap is one contiguous copy.
/// </summary>
internal sealed class FeatureMap(int batch, int height, int width, int channels)
{
    public int Batch { get; } = batch;

    public int Height { get; } = height;

    public int Width { get; } = width;

    public int Channels { get; } = channels;

    public int Pixels => Height * Width;

    /// <summary>Floats per image.</summary>
    public int ImageSize => Height * Width * Channels;

    public float[] Values { get; } = new float[batch * height * width * channels];

    public float[] Gradients { get; } = new float[batch * height * width * channels];
}
