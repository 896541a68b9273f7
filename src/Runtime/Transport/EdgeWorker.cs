using System.Diagnostics;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Transport.Telemetry;

namespace CoInference.Runtime.Transport;

/// <summary>The edge halves of all plans and the thread that runs them when requests wait.</summary>
internal sealed class EdgeWorker : IDisposable
{
    private readonly RequestScheduler _scheduler;
    private readonly EdgePlans _plans;
    private readonly EdgeMetrics _metrics;
    private readonly float[] _logits;
    private readonly EdgeRequest?[] _taken;
    private readonly EdgeRequest?[] _live;
    private readonly TimeSpan[] _decode;
    private readonly int[] _halfOf;
    private readonly int[] _filled;
    private readonly SemaphoreSlim _wake = new(0);
    private readonly Thread _thread;
    private volatile bool _stopping;

    public EdgeWorker(RequestScheduler scheduler, EdgePlans plans, EdgeMetrics metrics, int number)
    {
        (_scheduler, _plans, _metrics) = (scheduler, plans, metrics);
        int batch = scheduler.MaxBatch;
        _logits = new float[batch * plans.Classes];
        _taken = new EdgeRequest?[batch];
        _live = new EdgeRequest?[batch];
        _decode = new TimeSpan[batch];
        _halfOf = new int[batch];
        _filled = new int[plans.Halves.Count];
        _thread = new Thread(Run) { IsBackground = true, Name = $"edge worker {number}" };
    }

    /// <summary>Starts the thread.</summary>
    public void Start() => _thread.Start();

    /// <summary>Lets the thread take what waits. The worker must not be idle in the scheduler's eyes.</summary>
    public void Wake() => _wake.Release();

    /// <summary>Answers one request on the calling thread, which has taken the worker from the idle ones.</summary>
    public void Answer(EdgeRequest request)
    {
        _taken[0] = request;
        Answer(_taken.AsSpan(0, 1));
    }

    public void Dispose()
    {
        _stopping = true;
        if (_thread.ThreadState.HasFlag(System.Threading.ThreadState.Unstarted)) return;
        _wake.Release();
        _thread.Join();
        _plans.Dispose();
        _wake.Dispose();
    }

    private void Run()
    {
        while (true)
        {
            _wake.Wait();
            if (_stopping) return;
            for (int count; (count = _scheduler.Take(this, _taken)) > 0;) Answer(_taken.AsSpan(0, count));
        }
    }

    private void Answer(Span<EdgeRequest?> taken)
    {
        try
        {
            long started = Stopwatch.GetTimestamp();
            int count = Decode(taken, started);
            for (int half = 0, done = 0; done < count; half++)
            {
                if (_filled[half] > 0) Compute(half, count);
                done += _filled[half];
            }

            if (count > 0) _scheduler.Learn(Stopwatch.GetElapsedTime(started).TotalMilliseconds / count);
        }
        catch (Exception failure)
        {
            // A defect of this program that a request brought out must not end the service to the others.
            Fail(_live, failure);
            Fail(taken, failure);
        }
    }

    /// <summary>Runs one half on the requests that were decoded into its places, and answers them.</summary>
    private void Compute(int half, int count)
    {
        int places = _filled[half], classes = _plans.Classes;
        long started = Stopwatch.GetTimestamp();
        _plans.Halves[half].Compute(_logits.AsSpan(0, places * classes));
        long computed = Stopwatch.GetTimestamp();
        TimeSpan compute = Stopwatch.GetElapsedTime(started, computed);
        _metrics.Ran(places, compute);
        for (int i = 0, place = 0; i < count; i++)
        {
            if (_halfOf[i] != half) continue;
            EdgeRequest request = _live[i]!;
            _live[i] = null;
            // Waiting for the others of its batch to be decoded, or for those of another half to run, is waiting, too.
            TimeSpan queue = Stopwatch.GetElapsedTime(request.Received, started) - _decode[i];
            _metrics.Answered(queue, _decode[i], Stopwatch.GetElapsedTime(request.Received, computed));
            request.Connection.Reply(request, ReplyStatus.Ok, queue, _decode[i], compute, _logits.AsSpan(place++ * classes, classes), "");
        }
    }

    private static void Fail(Span<EdgeRequest?> requests, Exception failure)
    {
        foreach (ref EdgeRequest? request in requests)
        {
            request?.Connection.Fault(request, failure);
            request = null;
        }
    }

    /// <summary>Decodes the requests that are still of use, each to a place of its own, and answers the others.</summary>
    /// <returns>Requests to run; <see cref="_halfOf"/> says on which half, <see cref="_filled"/> how many on each.</returns>
    private int Decode(Span<EdgeRequest?> taken, long now)
    {
        int count = 0;
        Array.Clear(_filled);
        for (int i = 0; i < taken.Length; i++)
        {
            EdgeRequest request = taken[i]!;
            taken[i] = null;
            if (request.Connection.IsCut)
            {
                _metrics.Abandoned();
                request.Connection.Release(request);
                continue;
            }

            if (now > request.Deadline)
            {
                request.Connection.Reply(request, ReplyStatus.Expired, Stopwatch.GetElapsedTime(request.Received, now), default, default, [], "the deadline passed while the request waited");
                continue;
            }

            long started = Stopwatch.GetTimestamp();
            try
            {
                _live[count] = request;
                int half = _plans.HalfOf(request.Header.PlanId);
                _plans.Halves[half].Decode(request.Header, request.Payload, _filled[half]);
                _decode[count] = Stopwatch.GetElapsedTime(started);
                _halfOf[count] = half;
                _filled[half]++;
                count++;
            }
            catch (InvalidDataException malformed)
            {
                // The frame itself was sound, so the next one will be found: the connection may go on.
                _live[count] = null;
                request.Connection.Reply(request, ReplyStatus.BadRequest, Stopwatch.GetElapsedTime(request.Received, started), default, default, [], malformed.Message);
            }
        }

        return count;
    }
}
