using System.Runtime.CompilerServices;

namespace CoInference.Kernels.Devices;

/// <summary>Work that is split into numbered parts.</summary>
public interface IParallelWork
{
    /// <summary>Does one part; called from any thread of the set, each part exactly once.</summary>
    void Execute(int part);
}

/// <summary>
/// A fixed set of threads that share one piece of work at a time. A hand-off costs a few hundred nanoseconds while the
/// threads are warm: idle workers spin briefly, then park, so that an idle set does not disturb others.
/// </summary>
/// <remarks>One caller at a time; the caller takes part in the work.</remarks>
public sealed class WorkerSet : IDisposable
{
    private const int SpinsBeforeParking = 4000;

    private readonly Thread[] _threads;
    private readonly ManualResetEventSlim _wake = new(false, spinCount: 0);
    private IParallelWork? _work;
    private int _parts;
    private int _nextPart;
    private int _busy;
    private int _generation;
    private int _parked;
    private volatile bool _stopping;
    private Exception? _failure;

    /// <summary>Starts <paramref name="threads"/> - 1 background threads; 1 means that everything runs on the caller.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than 1 or more than 1024 threads.</exception>
    public WorkerSet(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, 1024);
        Threads = threads;
        _threads = new Thread[threads - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            _threads[i] = new Thread(WorkerLoop) { IsBackground = true, Name = $"coinference-worker-{i + 1}" };
            _threads[i].Start();
        }
    }

    /// <summary>A set of one: the calling thread.</summary>
    public static WorkerSet Single { get; } = new(1);

    /// <summary>Threads that share the work, the caller included.</summary>
    public int Threads { get; }

    /// <summary>Runs parts 0 to <paramref name="parts"/> - 1 and returns when all are done.</summary>
    /// <exception cref="Exception">Whatever a part threw first, after all workers came to rest.</exception>
    public void Run(IParallelWork work, int parts)
    {
        if (Threads == 1 || parts <= 1)
        {
            for (int part = 0; part < parts; part++) work.Execute(part);
            return;
        }

        _work = work;
        _parts = parts;
        _failure = null;
        Volatile.Write(ref _nextPart, 0);
        Volatile.Write(ref _busy, _threads.Length);
        Interlocked.Increment(ref _generation);
        if (Volatile.Read(ref _parked) > 0) _wake.Set();

        TakeParts(work, parts);

        var spinner = default(SpinWait);
        int spins = 0;
        while (Volatile.Read(ref _busy) > 0)
        {
            if (spins++ < SpinsBeforeParking) Thread.SpinWait(8);
            else spinner.SpinOnce();
        }

        _work = null;
        if (_failure is { } failure) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>Stops the threads.</summary>
    public void Dispose()
    {
        if (_stopping || _threads.Length == 0) return;
        _stopping = true;
        Interlocked.Increment(ref _generation);
        _wake.Set();
        foreach (Thread thread in _threads) thread.Join();
        _wake.Dispose();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void TakeParts(IParallelWork work, int parts)
    {
        try
        {
            int part;
            while ((part = Interlocked.Increment(ref _nextPart) - 1) < parts) work.Execute(part);
        }
        catch (Exception failure)
        {
            Interlocked.CompareExchange(ref _failure, failure, null);
            Volatile.Write(ref _nextPart, parts);
        }
    }

    private void WorkerLoop()
    {
        int seen = 0;
        while (true)
        {
            int spins = 0;
            while (Volatile.Read(ref _generation) == seen)
            {
                if (spins++ < SpinsBeforeParking)
                {
                    Thread.SpinWait(8);
                    continue;
                }

                // Announce the park before the last look: Run reads _parked after it moved the generation.
                Interlocked.Increment(ref _parked);
                _wake.Reset();
                if (Volatile.Read(ref _generation) == seen) _wake.Wait();
                Interlocked.Decrement(ref _parked);
            }

            seen = Volatile.Read(ref _generation);
            if (_stopping) return;
            TakeParts(_work!, _parts);
            Interlocked.Decrement(ref _busy);
        }
    }
}
