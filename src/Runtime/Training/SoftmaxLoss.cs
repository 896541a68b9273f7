using System.Numerics.Tensors;

namespace CoInference.Runtime.Training;

/// <summary>Mean cross-entropy of the softmax of logits.</summary>
internal sealed class SoftmaxLoss(FeatureMap logits)
{
    /// <summary>Class of each image of the batch.</summary>
    public int[] Labels { get; } = new int[logits.Batch];

    /// <summary>The class with the largest logit of one image of the batch.</summary>
    public int Predicted(int image) => TensorPrimitives.IndexOfMax<float>(logits.Values.AsSpan(image * logits.ImageSize, logits.ImageSize));

    /// <summary>Computes the loss, counts images whose largest logit is their label, and adds the gradient to the logits' gradients.</summary>
    public (double Loss, int Correct) Measure()
    {
        int classes = logits.ImageSize, correct = 0;
        double loss = 0;
        Span<float> share = stackalloc float[classes];
        for (int image = 0; image < logits.Batch; image++)
        {
            ReadOnlySpan<float> row = logits.Values.AsSpan(image * classes, classes);
            int label = Labels[image];
            if (Predicted(image) == label) correct++;
            TensorPrimitives.SoftMax(row, share);
            loss -= Math.Log(Math.Max(share[label], 1e-30f));
            share[label] -= 1;
            Span<float> gradients = logits.Gradients.AsSpan(image * classes, classes);
            TensorPrimitives.MultiplyAdd(share, 1f / logits.Batch, gradients, gradients);
        }

        return (loss / logits.Batch, correct);
    }
}
