using CoInference.Kernels.Simd.Training;

namespace CoInference.Runtime.Training.Steps;

/// <summary>
/// One operator of a network that trains. Work on image ranges may run at the same time on different ranges; a step whose
/// result depends on the whole batch measures all ranges first. Sums over images are kept per part of the batch and
/// folded in the order of the parts, so that they do not depend on the number of threads.
/// </summary>
internal abstract class TrainingStep(TrainingValue[] inputs, TrainingValue output)
{
    private readonly BorderedMap?[] _inputGradients = new BorderedMap?[inputs.Length];
    private readonly bool[] _accumulates = new bool[inputs.Length];
    private BorderedMap? _gradient;

    public TrainingValue[] Inputs => inputs;

    public TrainingValue Output => output;

    /// <summary>What the step trains or measures.</summary>
    public virtual IEnumerable<TrainingParameter> Parameters => [];

    /// <summary>Whether <see cref="Measure"/> has to see the batch before <see cref="Forward"/>.</summary>
    public virtual bool Measures => false;

    /// <summary>Whether <see cref="MeasureGradient"/> has to see the batch before <see cref="Backward"/>.</summary>
    public virtual bool MeasuresGradient => false;

    /// <summary>The input whose gradient may be the very map of the output's gradient once that is masked, or -1.</summary>
    public virtual int PassedInput => -1;

    /// <summary>The gradient of the output. The step may overwrite it.</summary>
    protected BorderedMap Gradient => _gradient!;

    /// <summary>States the borders that the step needs; called before anything is allocated.</summary>
    public virtual void RequireBorders()
    {
    }

    /// <summary>Allocates; all borders are known.</summary>
    /// <param name="batch">Images per step.</param>
    /// <param name="parts">Parts the batch is divided into.</param>
    public virtual void Allocate(int batch, int parts) => output.Allocate(batch);

    /// <summary>Takes the maps of gradients.</summary>
    public void Connect(BorderedMap gradient, ReadOnlySpan<BorderedMap?> inputGradients, ReadOnlySpan<bool> accumulates)
    {
        _gradient = gradient;
        inputGradients.CopyTo(_inputGradients);
        accumulates.CopyTo(_accumulates);
    }

    /// <summary>Takes the parameters' new values.</summary>
    public virtual void Prepare()
    {
    }

    public virtual void Measure(int part, int first, int end)
    {
    }

    public virtual void EndMeasure()
    {
    }

    public abstract void Forward(int part, int first, int end);

    public virtual void MeasureGradient(int part, int first, int end)
    {
    }

    public virtual void EndMeasureGradient()
    {
    }

    public abstract void Backward(int part, int first, int end);

    /// <summary>Adds up the gradients of the parameters over the parts.</summary>
    public virtual void FoldGradients()
    {
    }

    /// <summary>The gradient of an input and whether it is added to; null when it is not wanted or is the output's own.</summary>
    protected BorderedMap? InputGradient(int index, out bool accumulates)
    {
        accumulates = _accumulates[index];
        return ReferenceEquals(_inputGradients[index], _gradient) ? null : _inputGradients[index];
    }
}
