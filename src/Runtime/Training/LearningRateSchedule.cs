namespace CoInference.Runtime.Training;

/// <summary>How the learning rate falls.</summary>
public enum ScheduleKind
{
    /// <summary>Half a cosine from the highest rate to 0 (Loshchilov and Hutter 2016).</summary>
    Cosine,

    /// <summary>A tenth after half and again after three quarters of the epochs (He et al. 2015).</summary>
    Step,

    /// <summary>The same rate throughout.</summary>
    Constant,
}

/// <summary>The learning rate over a run.</summary>
/// <param name="Kind">How it falls.</param>
/// <param name="Highest">Highest rate.</param>
/// <param name="Epochs">Length of the run.</param>
/// <param name="WarmUpEpochs">Epochs over which the rate rises linearly first.</param>
public sealed record LearningRateSchedule(ScheduleKind Kind, float Highest, double Epochs, double WarmUpEpochs)
{
    /// <summary>The rate after a number of epochs, whole or in part.</summary>
    public float At(double epochs)
    {
        if (epochs < WarmUpEpochs) return (float)(Highest * (epochs + 0.01) / (WarmUpEpochs + 0.01));
        double done = Math.Min(1, (epochs - WarmUpEpochs) / Math.Max(1e-9, Epochs - WarmUpEpochs));
        return (float)(Highest * Kind switch
        {
            ScheduleKind.Cosine => 0.5 * (1 + Math.Cos(Math.PI * done)),
            ScheduleKind.Step => epochs < 0.5 * Epochs ? 1 : epochs < 0.75 * Epochs ? 0.1 : 0.01,
            _ => 1,
        });
    }
}
