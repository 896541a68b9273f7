namespace CoInference.Runtime.Transport;

/// <summary>The requests of one client that wait, oldest first. Guarded by the <see cref="RequestScheduler"/> that holds it.</summary>
internal sealed class ClientQueue(int capacity)
{
    private readonly EdgeRequest?[] _requests = new EdgeRequest?[capacity];
    private int _first;

    /// <summary>Requests that wait.</summary>
    public int Count { get; private set; }

    /// <summary>The client whose turn comes after this one's; null while this one waits for nothing.</summary>
    public ClientQueue? Next { get; set; }

    /// <summary>Earliest deadline of the requests that wait.</summary>
    public long EarliestDeadline
    {
        get
        {
            long earliest = long.MaxValue;
            for (int i = 0; i < Count; i++) earliest = Math.Min(earliest, _requests[(_first + i) % _requests.Length]!.Deadline);
            return earliest;
        }
    }

    /// <summary>Appends a request; a connection never has more of them than its queue holds.</summary>
    public void Add(EdgeRequest request) => _requests[(_first + Count++) % _requests.Length] = request;

    /// <summary>Takes the oldest.</summary>
    public EdgeRequest Take()
    {
        EdgeRequest request = _requests[_first]!;
        _requests[_first] = null;
        _first = (_first + 1) % _requests.Length;
        Count--;
        return request;
    }

    /// <summary>Takes the request of this id out of the queue; null when none waits.</summary>
    public EdgeRequest? Remove(ulong requestId)
    {
        EdgeRequest? found = null;
        int count = Count;
        for (int i = 0; i < count; i++)
        {
            EdgeRequest request = Take();
            if (found is null && request.Header.RequestId == requestId) found = request;
            else Add(request);
        }

        return found;
    }
}
