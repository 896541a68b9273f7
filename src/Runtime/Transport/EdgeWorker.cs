using System.Diagnostics;
using CoInference.Runtime.Codec;
using CoInference.Runtime.Transport.Telemetry;

namespace CoInference.Runtime.Transport;

/// <summary>One edge half and the thread that runs it when requests wait.</summary>
internal sealed class EdgeWorker : IDisposable
{
    private readonly RequestScheduler _scheduler;
    private readonly EdgeHalf _half;
    private readonly EdgeMetrics _metrics;
    private readonly float[] _logits;
    private readonly EdgeRequest?[] _taken;
    private readonly EdgeRequest?[] _live;
    private readonly TimeSpan[] _decode;
    private readonly SemaphoreSlim _wake = new(0);
    private readonly Thread _thread;
    private volatile bool _stopping;

    public EdgeWorker(RequestScheduler scheduler, EdgeHalf half, EdgeMetrics metrics, int number)
    {
        (_scheduler, _half, _metrics) = (scheduler, half, metrics);
        _logits = new float[half.MaxBatch * half.Classes];
        _taken = new EdgeRequest?[half.MaxBatch];
        _live = new EdgeRequest?[half.MaxBatch];
        _decode = new TimeSpan[half.MaxBatch];
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
        _half.Dispose();
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
        int count = 0;
        try
        {
            long started = Stopwatch.GetTimestamp();
            count = Decode(taken, started);
            if (count == 0) return;
            long decoded = Stopwatch.GetTimestamp();
            _half.Compute(_logits.AsSpan(0, count * _half.Classes));
            long computed = Stopwatch.GetTimestamp();
            TimeSpan compute = Stopwatch.GetElapsedTime(decoded, computed);
            _metrics.Ran(count, compute);
            _scheduler.Learn(Stopwatch.GetElapsedTime(started, computed).TotalMilliseconds / count);
            for (int i = 0; i < count; i++)
            {
                EdgeRequest request = _live[i]!;
                _live[i] = null;
                // Waiting for the others of its batch to be decoded is waiting, too.
                TimeSpan queue = Stopwatch.GetElapsedTime(request.Received, decoded) - _decode[i];
                _metrics.Answered(queue, _decode[i], Stopwatch.GetElapsedTime(request.Received, computed));
                request.Connection.Reply(request, ReplyStatus.Ok, queue, _decode[i], compute, _logits.AsSpan(i * _half.Classes, _half.Classes), "");
            }
        }
        catch (Exception failure)
        {
            // A defect of this program that a request brought out must not end the service to the others.
            Fail(_live, failure);
            Fail(taken, failure);
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
    /// <returns>Places that are filled.</returns>
    private int Decode(Span<EdgeRequest?> taken, long now)
    {
        int count = 0;
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
                _half.Decode(request.Header, request.Payload, count);
                _decode[count] = Stopwatch.GetElapsedTime(started);
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
