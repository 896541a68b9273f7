using System.Numerics.Tensors;

namespace CoInference.Runtime.Training;

/// <summary>
/// Mean cross-entropy of the softmax of class scores with label smoothing (Szegedy et al. 2016), mixed with distillation:
/// the divergence from a teacher's softened softmax times the temperature squared (Hinton et al. 2015).
/// </summary>
/// <param name="LabelSmoothing">Share of the target that is spread over all classes.</param>
/// <param name="Distillation">Weight of the teacher's part, 0 to 1.</param>
/// <param name="Temperature">Divides both networks' scores in the teacher's part.</param>
public sealed record ClassificationLoss(float LabelSmoothing = 0, float Distillation = 0, float Temperature = 4)
{
    /// <summary>Computes the loss and its gradient.</summary>
    /// <param name="logits">Scores, [images, classes].</param>
    /// <param name="labels">Class of each image.</param>
    /// <param name="teacher">The teacher's scores, as long as <paramref name="logits"/>; empty without distillation.</param>
    /// <param name="gradients">Receives the gradient with respect to the scores.</param>
    /// <param name="mixed">With what the images are mixed; the default for nothing.</param>
    /// <returns>The mean loss, and how many images have their largest score at the label.</returns>
    /// <exception cref="ArgumentException">Lengths do not fit.</exception>
    public (double Loss, int Correct) Measure(ReadOnlySpan<float> logits, ReadOnlySpan<int> labels, ReadOnlySpan<float> teacher, Span<float> gradients, MixedLabels mixed = default)
    {
        bool distils = Distillation > 0;
        if (labels.Length == 0 || logits.Length % labels.Length != 0 || gradients.Length != logits.Length || (distils && teacher.Length != logits.Length))
            throw new ArgumentException($"{logits.Length} scores, {labels.Length} labels, {teacher.Length} scores of the teacher and {gradients.Length} gradients do not fit.", nameof(logits));
        int classes = logits.Length / labels.Length, correct = 0;
        float hard = distils ? 1 - Distillation : 1;
        double loss = 0;
        var probabilities = new float[classes];
        var softened = new float[classes];
        for (int image = 0; image < labels.Length; image++)
        {
            ReadOnlySpan<float> row = logits.Slice(image * classes, classes);
            Span<float> gradient = gradients.Slice(image * classes, classes);
            if (TensorPrimitives.IndexOfMax(row) == labels[image]) correct++;
            TensorPrimitives.SoftMax(row, probabilities);
            double scale = LogSumExp(row, 1);
            for (int c = 0; c < classes; c++)
            {
                float target = (LabelSmoothing / classes) + ((1 - LabelSmoothing) * mixed.Share(image, labels[image], c));
                loss -= hard * target * (row[c] - scale);
                gradient[c] = hard * (probabilities[c] - target) / labels.Length;
            }

            if (!distils) continue;
            ReadOnlySpan<float> wanted = teacher.Slice(image * classes, classes);
            double own = LogSumExp(row, Temperature), others = LogSumExp(wanted, Temperature);
            TensorPrimitives.Divide(wanted, Temperature, softened);
            TensorPrimitives.SoftMax(softened, softened);
            TensorPrimitives.Divide(row, Temperature, probabilities);
            TensorPrimitives.SoftMax(probabilities, probabilities);
            for (int c = 0; c < classes; c++)
            {
                loss += Distillation * Temperature * Temperature * softened[c] * ((wanted[c] / Temperature) - others - (row[c] / Temperature) + own);
                gradient[c] += Distillation * Temperature * (probabilities[c] - softened[c]) / labels.Length;
            }
        }

        return (loss / labels.Length, correct);
    }

    private static double LogSumExp(ReadOnlySpan<float> scores, float temperature)
    {
        double largest = TensorPrimitives.Max(scores) / temperature, sum = 0;
        foreach (float score in scores) sum += Math.Exp((score / temperature) - largest);
        return largest + Math.Log(sum);
    }
}

/// <summary>What each image of a batch is mixed with.</summary>
/// <param name="labels">Class of the other image.</param>
/// <param name="shares">Share that an image keeps of itself.</param>
public readonly ref struct MixedLabels(ReadOnlySpan<int> labels, ReadOnlySpan<float> shares)
{
    private readonly ReadOnlySpan<int> _labels = labels;
    private readonly ReadOnlySpan<float> _shares = shares;

    /// <summary>Share of a class in an image.</summary>
    internal float Share(int image, int label, int c)
    {
        if (_shares.IsEmpty) return c == label ? 1 : 0;
        return (c == label ? _shares[image] : 0) + (c == _labels[image] ? 1 - _shares[image] : 0);
    }
}
