using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace CoInference.Kernels.Devices;

/// <summary>Work that is split into numbered parts.</summary>
public interface IParallelWork
{
    /// <summary>Does one part; called from any thread of the set, each part exactly once.</summary>
    void Execute(int part);
}

/// <summary>
/// A fixed set of threads that share one piece of work at a time. While the workers are warm a hand-off is one store
/// that each of them polls; an idle worker polls for a short while, then parks until it is needed again, so that an idle
/// set takes no processor time.
/// </summary>
/// <remarks>
/// <para>One caller at a time; the caller takes part in the work. A part must not call <see cref="Run"/> of the same set.</para>
/// <para>
/// Each worker has a mailbox of its own. The caller posts; the worker accepts by an exchange, takes parts, and marks the
/// mailbox idle again. When no parts are left the caller takes back every post that is not yet accepted: on a busy
/// machine it then does the work alone instead of waiting for a worker that has no processor.
/// </para>
/// <para>
/// The caller posts first and then looks whether the worker has parked; a worker that gives up polling announces that it
/// parks and then looks at its mailbox once more. Both orders are full fences, so at least one of the two sees the
/// other, and the exchange of the parked flag decides who of them ends the park: no wake-up is lost and none is left over.
/// </para>
/// </remarks>
public sealed class WorkerSet : IDisposable
{
    private const int PollsBeforeParking = 2000;
    private const int PollsBeforeYielding = 2000;
    private const int SpinsPerPoll = 4;

    private readonly Worker[] _workers;
    private IParallelWork? _work;
    private int _parts;
    private PaddedInt _nextPart;
    private volatile bool _stopping;
    private Exception? _failure;

    /// <summary>Starts <paramref name="threads"/> - 1 background threads; 1 means that everything runs on the caller.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than 1 or more than 1024 threads.</exception>
    public WorkerSet(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, 1024);
        Threads = threads;
        _workers = new Worker[threads - 1];
        for (int i = 0; i < _workers.Length; i++) _workers[i] = new Worker(this, i + 1);
        foreach (Worker worker in _workers) worker.Start();
    }

    private enum Mailbox
    {
        Idle,
        Posted,
        Accepted,
    }

    /// <summary>A set of one: the calling thread.</summary>
    public static WorkerSet Single { get; } = new(1);

    /// <summary>Threads that share the work, the caller included.</summary>
    public int Threads { get; }

    /// <summary>
    /// Runs parts 0 to <paramref name="parts"/> - 1 and returns when all are done. Threads take the next part as they
    /// become free. After a part has thrown, parts that were not begun are dropped.
    /// </summary>
    /// <exception cref="Exception">Whatever a part threw first, after all workers came to rest.</exception>
    public void Run(IParallelWork work, int parts)
    {
        if (Threads == 1 || parts <= 1)
        {
            for (int part = 0; part < parts; part++) work.Execute(part);
            return;
        }

        int helpers = Math.Min(_workers.Length, parts - 1);
        _work = work;
        _parts = parts;
        _failure = null;
        Volatile.Write(ref _nextPart.Value, 0);
        for (int i = 0; i < helpers; i++) _workers[i].Post();

        TakeParts(work, parts);
        for (int i = 0; i < helpers; i++) _workers[i].TakeBackOrWait();

        _work = null;
        if (_failure is { } failure) ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>Stops the threads.</summary>
    public void Dispose()
    {
        if (_stopping || _workers.Length == 0) return;
        _stopping = true;
        foreach (Worker worker in _workers) worker.Post();
        foreach (Worker worker in _workers) worker.Dispose();
    }

    private void TakeParts(IParallelWork work, int parts)
    {
        try
        {
            int part;
            while ((part = Interlocked.Increment(ref _nextPart.Value) - 1) < parts) work.Execute(part);
        }
        catch (Exception failure)
        {
            Interlocked.CompareExchange(ref _failure, failure, null);
            Volatile.Write(ref _nextPart.Value, parts);
        }
    }

    /// <summary>An integer on cache lines of its own: threads that write it must not slow those that poll another.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct PaddedInt
    {
        [FieldOffset(128)]
        public int Value;
    }

    private sealed class Worker : IDisposable
    {
        private readonly WorkerSet _set;
        private readonly Thread _thread;
        private readonly SemaphoreSlim _wake = new(0, 1);
        private PaddedInt _mailbox;
        private int _parked;

        public Worker(WorkerSet set, int number)
        {
            _set = set;
            _thread = new Thread(Loop) { IsBackground = true, Name = $"coinference-worker-{number}" };
        }

        public void Start() => _thread.Start();

        public void Dispose()
        {
            _thread.Join();
            _wake.Dispose();
        }

        public void Post()
        {
            Interlocked.Exchange(ref _mailbox.Value, (int)Mailbox.Posted);
            if (Volatile.Read(ref _parked) == 1 && Interlocked.Exchange(ref _parked, 0) == 1) _wake.Release();
        }

        public void TakeBackOrWait()
        {
            if (Move(Mailbox.Posted, Mailbox.Idle)) return;
            int polls = 0;
            while (Volatile.Read(ref _mailbox.Value) != (int)Mailbox.Idle)
            {
                // Polling without end would starve a worker that shares this processor.
                if (polls++ < PollsBeforeYielding) Thread.SpinWait(SpinsPerPoll);
                else Thread.Yield();
            }
        }

        private bool Move(Mailbox from, Mailbox to) =>
            Interlocked.CompareExchange(ref _mailbox.Value, (int)to, (int)from) == (int)from;

        private void Loop()
        {
            while (true)
            {
                WaitForPost();
                if (_set._stopping) return;

                // The caller may have taken the post back in the meantime.
                if (!Move(Mailbox.Posted, Mailbox.Accepted)) continue;
                _set.TakeParts(_set._work!, _set._parts);
                Volatile.Write(ref _mailbox.Value, (int)Mailbox.Idle);
            }
        }

        private bool IsPosted() => Volatile.Read(ref _mailbox.Value) == (int)Mailbox.Posted;

        private void WaitForPost()
        {
            for (int polls = 0; polls < PollsBeforeParking; polls++)
            {
                if (IsPosted()) return;
                Thread.SpinWait(SpinsPerPoll);
            }

            Interlocked.Exchange(ref _parked, 1);

            // A post that came before the flag was up woke nobody. If the flag is already down again, its poster has
            // released or is about to, and that release must be consumed.
            if (!IsPosted() || Interlocked.Exchange(ref _parked, 0) == 0) _wake.Wait();
        }
    }
}
