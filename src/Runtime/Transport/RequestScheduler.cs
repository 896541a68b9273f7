using System.Diagnostics;

namespace CoInference.Runtime.Transport;

/// <summary>
/// Decides which request runs next, and where. Clients take turns, one request each, so that one that sends many cannot
/// starve another; the number of requests that wait is bounded.
/// </summary>
/// <remarks>
/// A request that finds a worker idle runs on the thread that received it, without a hand-off. Otherwise it waits, and the
/// workers' own threads take what waits. With batching all requests go that way, so that readers are free to read more.
/// </remarks>
internal sealed class RequestScheduler : IDisposable
{
    private readonly object _gate = new();
    private readonly EdgeWorker[] _workers;
    private readonly Stack<EdgeWorker> _idle;
    private readonly int[] _sizes;
    private readonly long _longestBatch;
    private readonly int _capacity;
    private readonly long _window;

    // The clients with waiting requests form a ring; this is the one whose turn was last.
    private ClientQueue? _last;
    private int _queued;
    private int _filling;
    private double _millisecondsPerRequest;

    /// <param name="options">Limits.</param>
    /// <param name="plans">The edge halves, with every batch size that may be used.</param>
    /// <param name="batches">The batch sizes of each half.</param>
    /// <param name="metrics">Counts runs.</param>
    public RequestScheduler(EdgeServerOptions options, EdgePlans plans, IReadOnlyList<BatchTime[]> batches, Telemetry.EdgeMetrics metrics)
    {
        _capacity = options.MaxQueued;
        BatchTime[] used = [.. batches.SelectMany(half => half).Where(batch => batch.Used)];
        _sizes = [.. used.Select(batch => batch.Size).Distinct().Order()];
        _longestBatch = (long)(used.Where(batch => batch.Size == MaxBatch).Max(batch => batch.Milliseconds) * Stopwatch.Frequency / 1000);
        _window = MaxBatch > 1 ? (long)(options.BatchWindow.TotalSeconds * Stopwatch.Frequency) : 0;
        int[][] sizes = [.. batches.Select(half => half.Where(batch => batch.Used).Select(batch => batch.Size).ToArray())];
        _workers = [.. Enumerable.Range(0, options.Concurrency).Select(number => new EdgeWorker(this, plans.Fork(sizes, MaxBatch), metrics, number))];
        _idle = new Stack<EdgeWorker>(_workers);
        foreach (EdgeWorker worker in _workers) worker.Start();
    }

    /// <summary>Requests that wait.</summary>
    public int Queued => Volatile.Read(ref _queued);

    /// <summary>Largest batch.</summary>
    public int MaxBatch => _sizes[^1];

    /// <summary>About how long it takes until what waits now has run: when a client that was told "busy" may come again.</summary>
    public TimeSpan RetryAfter => TimeSpan.FromMilliseconds(Math.Clamp(Volatile.Read(ref _millisecondsPerRequest) * (Queued + 1) / _workers.Length, 1, 10_000));

    /// <summary>Runs a request, now or in its turn.</summary>
    /// <returns>False when too many wait already.</returns>
    public bool TrySubmit(EdgeRequest request)
    {
        EdgeWorker? here = null, there = null;
        lock (_gate)
        {
            if (_queued >= _capacity) return false;
            if (_queued > 0 || MaxBatch > 1 || !_idle.TryPop(out here))
            {
                Enqueue(request);
                if (_filling > 0) Monitor.Pulse(_gate);
                else _idle.TryPop(out there);
            }
        }

        there?.Wake();
        if (here is null) return true;
        here.Answer(request);
        bool idle;
        lock (_gate)
        {
            idle = _queued == 0;
            if (idle) _idle.Push(here);
        }

        if (!idle) here.Wake();
        return true;
    }

    /// <summary>Keeps idle workers from taking requests until the result is disposed, so that a test can fill the queue.</summary>
    internal IDisposable Hold()
    {
        var held = new List<EdgeWorker>();
        lock (_gate)
        {
            while (_idle.TryPop(out EdgeWorker? worker)) held.Add(worker);
        }

        // A woken worker takes what waits, or becomes idle again.
        return new Release(() => held.ForEach(worker => worker.Wake()));
    }

    /// <summary>Takes a waiting request out of its client's queue; null when it runs already or is not known.</summary>
    public EdgeRequest? Withdraw(ClientQueue client, ulong requestId)
    {
        lock (_gate)
        {
            EdgeRequest? request = client.Remove(requestId);
            if (request is null) return null;
            _queued--;
            if (client.Count == 0) Unlink(client);
            return request;
        }
    }

    /// <summary>Gives a worker its next requests; when nothing waits, the worker is idle from then on.</summary>
    /// <param name="worker">The worker.</param>
    /// <param name="batch">Receives the requests.</param>
    /// <returns>How many; 0 when the worker is to wait until it is woken.</returns>
    public int Take(EdgeWorker worker, Span<EdgeRequest?> batch)
    {
        lock (_gate)
        {
            if (_queued > 0 && _window > 0) Fill();
            int count = 0;
            for (int wanted = BatchFor(_queued); count < wanted;) batch[count++] = Dequeue();
            if (count == 0) _idle.Push(worker);
            return count;
        }
    }

    /// <summary>Learns how long a request takes, for <see cref="RetryAfter"/>.</summary>
    public void Learn(double millisecondsPerRequest)
    {
        double known = Volatile.Read(ref _millisecondsPerRequest);
        Volatile.Write(ref _millisecondsPerRequest, known == 0 ? millisecondsPerRequest : known + ((millisecondsPerRequest - known) / 16));
    }

    /// <summary>Ends the workers; call it when no request is under way.</summary>
    public void Dispose()
    {
        foreach (EdgeWorker worker in _workers) worker.Dispose();
    }

    /// <summary>Largest batch that so many requests fill.</summary>
    private int BatchFor(int waiting)
    {
        for (int i = _sizes.Length - 1; i >= 0; i--)
        {
            if (_sizes[i] <= waiting) return _sizes[i];
        }

        return 0;
    }

    /// <summary>
    /// Waits for the largest batch, at most for the window, and not so long that a request which waits already would miss
    /// its deadline.
    /// </summary>
    private void Fill()
    {
        long until = Math.Min(Stopwatch.GetTimestamp() + _window, EarliestDeadline() - _longestBatch);
        _filling++;
        while (_queued > 0 && _queued < MaxBatch)
        {
            // Rounded up to whole milliseconds by the wait; a window below one is one.
            int left = (int)Math.Ceiling((until - Stopwatch.GetTimestamp()) * 1000.0 / Stopwatch.Frequency);
            if (left <= 0 || !Monitor.Wait(_gate, left)) break;
        }

        _filling--;
    }

    private long EarliestDeadline()
    {
        long earliest = long.MaxValue;
        ClientQueue? client = _last;
        do
        {
            client = client!.Next!;
            earliest = Math.Min(earliest, client.EarliestDeadline);
        }
        while (client != _last);
        return earliest;
    }

    private void Enqueue(EdgeRequest request)
    {
        ClientQueue client = request.Connection.Queue;
        client.Add(request);
        _queued++;
        if (client.Next is not null) return;
        // A client that joins is last in the present round.
        client.Next = _last is null ? client : _last.Next;
        if (_last is not null) _last.Next = client;
        _last = client;
    }

    private EdgeRequest Dequeue()
    {
        ClientQueue client = _last!.Next!;
        EdgeRequest request = client.Take();
        _queued--;
        if (client.Count == 0) Unlink(client);
        else _last = client;
        return request;
    }

    private void Unlink(ClientQueue client)
    {
        ClientQueue before = _last!;
        while (before.Next != client) before = before.Next!;
        before.Next = client.Next;
        if (client == _last) _last = before == client ? null : before;
        client.Next = null;
    }

    private sealed class Release(Action release) : IDisposable
    {
        public void Dispose() => release();
    }
}
