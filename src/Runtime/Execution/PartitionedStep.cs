using CoInference.Kernels.Devices;

namespace CoInference.Runtime.Execution;

/// <summary>A step whose work is a range of independent units, shared between threads when there is enough of it.</summary>
internal abstract class PartitionedStep : Step, IParallelWork
{
    // Below this a hand-over to another thread costs more than it saves: about four microseconds of streaming.
    private const long BytesWorthAThread = 256 * 1024;

    private readonly WorkerSet _workers;
    private readonly int _units;
    private readonly int _parts;

    /// <param name="workers">Threads.</param>
    /// <param name="units">Number of units.</param>
    /// <param name="bytes">Bytes that all units together read and write.</param>
    protected PartitionedStep(WorkerSet workers, int units, long bytes)
    {
        _workers = workers;
        _units = units;
        _parts = Parts(units, bytes, workers.Threads);
    }

    /// <summary>Threads that share the work.</summary>
    /// <param name="units">Number of units.</param>
    /// <param name="bytes">Bytes that all units together read and write.</param>
    /// <param name="threads">Threads there are.</param>
    public static int Parts(int units, long bytes, int threads) => (int)Math.Clamp(Math.Min(units, bytes / BytesWorthAThread), 1, threads);

    /// <inheritdoc/>
    public sealed override void Run()
    {
        if (_parts == 1) RunUnits(0, _units);
        else _workers.Run(this, _parts);
    }

    void IParallelWork.Execute(int part) =>
        RunUnits((int)((long)_units * part / _parts), (int)((long)_units * (part + 1) / _parts));

    /// <summary>Does units <paramref name="first"/> to <paramref name="end"/> - 1.</summary>
    protected abstract void RunUnits(int first, int end);
}
