namespace CoInference.Runtime.Execution;

/// <summary>
/// Packed weights that sessions of overlapping parts of one network share: a layer that several of them run in the same way is
/// packed once. See <see cref="SessionOptions.SharedWeights"/>.
/// </summary>
/// <remarks>
/// A layer is recognised by the name of its node and the key of its step, so all graphs must be parts of one network: in another, the
/// same name could be another layer's. Sessions may be created from several threads.
/// </remarks>
public sealed class SharedWeights
{
    private readonly Dictionary<(string Node, string Key), PreparedStep> _steps = [];

    /// <summary>Steps that were packed.</summary>
    public int Packed { get; private set; }

    /// <summary>Steps that found their weights packed.</summary>
    public int Reused { get; private set; }

    internal PreparedStep Prepare(PlannedStep step, StepSpec spec)
    {
        // The number of threads decides how a step is run, not how its weights lie in memory.
        int threads = spec.Key.LastIndexOf("|t", StringComparison.Ordinal);
        (string, string) key = (spec.Node, threads < 0 ? spec.Key : spec.Key[..threads]);
        lock (_steps)
        {
            if (_steps.TryGetValue(key, out PreparedStep? known))
            {
                Reused++;
                return known;
            }

            Packed++;
            return _steps[key] = step.Operation.Prepare(step.Variant, randomWeights: false);
        }
    }
}
