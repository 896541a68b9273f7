using CoInference.Kernels.Gpu;

namespace CoInference.Runtime.Execution;

/// <summary>Launch steps in a row, recorded so that one call queues them all.</summary>
internal sealed class SequenceStep : Step, IDisposable
{
    private readonly LaunchSequence _sequence;

    private SequenceStep(ComputeDevice device, DeviceLaunch[] launches)
    {
        _sequence = device.Record(launches);
        Launches = launches.Length;
    }

    /// <summary>Number of kernels.</summary>
    public int Launches { get; }

    /// <summary>The steps with every run of launch steps replaced by one recorded step.</summary>
    /// <exception cref="DeviceException">The device refuses the recording.</exception>
    public static Step[] Record(Step[] steps, ComputeDevice device)
    {
        var recorded = new List<Step>(steps.Length);
        for (int i = 0; i < steps.Length;)
        {
            int end = i;
            while (end < steps.Length && steps[end] is LaunchStep) end++;
            if (end > i) recorded.Add(new SequenceStep(device, [.. steps[i..end].Cast<LaunchStep>().SelectMany(step => step.Launches)]));
            else recorded.Add(steps[end++]);
            i = end;
        }

        return [.. recorded];
    }

    public override void Run() => _sequence.Run();

    public void Dispose() => _sequence.Dispose();
}
