using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Plans;
using CoInference.Runtime.Training.Bottlenecks;

namespace CoInference.Runtime.Training;

/// <summary>
/// The network of a plan before and after training: pruned networks have folded normalizations, and a learned code goes
/// through its codec between two halves. For training there are normalizations, and a quantizer in the codec's place.
/// </summary>
public static class PlanTraining
{
    /// <summary>The network to train.</summary>
    /// <param name="pruned">The network as the plan's groups leave it.</param>
    /// <param name="plan">The plan; its cut and codec matter.</param>
    /// <param name="calibration">Images; labels are not used.</param>
    /// <param name="preprocessing">How pixels become network input.</param>
    /// <param name="threads">Threads.</param>
    /// <param name="frozen">As <see cref="TrainerOptions.Frozen"/>.</param>
    /// <param name="cancellation">Stops.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Graph Trainable(
        Graph pruned, Plan plan, ImageSet calibration, Preprocessing preprocessing, int threads, string? frozen = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        Graph network = plan is { Cut: Bottleneck.Code, Codec.Bits: var bits } ? Bottleneck.WithQuantizer(pruned, bits) : pruned;
        return Renormalization.Insert(network, calibration, preprocessing, threads, frozen, cancellation);
    }

    /// <summary>The network to compile, from one of <see cref="Trainable"/> that was trained.</summary>
    public static Graph Deployable(Graph trained) => Bottleneck.WithoutQuantizer(trained);
}
