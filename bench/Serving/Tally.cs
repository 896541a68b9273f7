namespace CoInference.Bench.Serving;

/// <summary>What became of each request.</summary>
internal sealed class Tally(int requests)
{
    private readonly int[] _outcomes = new int[requests];
    private int _next = -1;
    private int _answered;
    private int _failed;
    private int _wrong;
    private int _recovered;

    public int Answered => Volatile.Read(ref _answered);

    public int Failed => Volatile.Read(ref _failed);

    public int Wrong => Volatile.Read(ref _wrong);

    public int Recovered => Volatile.Read(ref _recovered);

    public int Done => Answered + Failed;

    public int Missing => _outcomes.Count(count => count == 0);

    public int Doubled => _outcomes.Count(count => count > 1);

    public int? Next() => Interlocked.Increment(ref _next) is var request && request < requests ? request : null;

    public void Finish(int request, bool right)
    {
        Interlocked.Increment(ref _outcomes[request]);
        if (!right) Interlocked.Increment(ref _wrong);
        Interlocked.Increment(ref _answered);
    }

    public void Fail(int request)
    {
        Interlocked.Increment(ref _outcomes[request]);
        Interlocked.Increment(ref _failed);
    }

    public void CountRecovery() => Interlocked.Increment(ref _recovered);
}
