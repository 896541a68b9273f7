using System.Numerics.Tensors;

namespace CoInference.Runtime.Training;

/// <summary>Global average pooling: the mean over height and width.</summary>
internal sealed class GlobalPoolLayer(FeatureMap input, FeatureMap output) : TrainingLayer
{
    public override void Forward(bool training)
    {
        for (int image = 0; image < input.Batch; image++)
        {
            Span<float> mean = output.Values.AsSpan(image * input.Channels, input.Channels);
            mean.Clear();
            for (int pixel = 0; pixel < input.Pixels; pixel++)
                TensorPrimitives.Add(mean, input.Values.AsSpan((image * input.ImageSize) + (pixel * input.Channels), input.Channels), mean);
            TensorPrimitives.Divide(mean, input.Pixels, mean);
        }
    }

    public override void Backward()
    {
        for (int image = 0; image < input.Batch; image++)
        {
            ReadOnlySpan<float> arrived = output.Gradients.AsSpan(image * input.Channels, input.Channels);
            for (int pixel = 0; pixel < input.Pixels; pixel++)
            {
                Span<float> target = input.Gradients.AsSpan((image * input.ImageSize) + (pixel * input.Channels), input.Channels);
                TensorPrimitives.MultiplyAdd(arrived, 1f / input.Pixels, target, target);
            }
        }
    }
}
