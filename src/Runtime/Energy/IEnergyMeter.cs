namespace CoInference.Runtime.Energy;

/// <summary>Tells how much energy a part of the machine has used. What it counts includes the work of all programs.</summary>
public interface IEnergyMeter : IDisposable
{
    /// <summary>What is measured, for reports.</summary>
    string Name { get; }

    /// <summary>Time between two steps of the meter: spans that are not much longer cannot be measured.</summary>
    TimeSpan Resolution { get; }

    /// <summary>Joules since the meter was opened; NaN when it cannot be read any more. Does not allocate.</summary>
    double ReadJoules();
}
