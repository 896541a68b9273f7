namespace CoInference.Runtime.Training;

/// <summary>One step of a network with its backward pass. A layer reads and writes feature maps it was built with.</summary>
internal abstract class TrainingLayer
{
    /// <summary>Parts a batch is split into; fixed, so that sums do not depend on the number of threads.</summary>
    protected const int Parts = 8;

    /// <summary>What the layer trains.</summary>
    public virtual IEnumerable<Parameter> Parameters => [];

    /// <summary>Computes the output; <paramref name="training"/> selects batch statistics over running ones.</summary>
    public abstract void Forward(bool training);

    /// <summary>
    /// Adds the gradient of the input to the input's gradients and overwrites the gradients of the parameters. Uses what
    /// the last <see cref="Forward"/> in training mode left behind.
    /// </summary>
    public abstract void Backward();

    /// <summary>Runs <paramref name="work"/> with the image range of every part, in parallel.</summary>
    protected static void ForParts(int batch, ParallelOptions parallel, Action<int, int, int> work) =>
        Parallel.For(0, Parts, parallel, part => work(part, batch * part / Parts, batch * (part + 1) / Parts));
}
