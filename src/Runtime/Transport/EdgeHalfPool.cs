using System.Threading.Channels;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Transport;

/// <summary>A fixed number of edge halves, lent one request at a time in the order of asking.</summary>
internal sealed class EdgeHalfPool : IDisposable
{
    private readonly Channel<EdgeHalf> _idle;
    private readonly EdgeHalf[] _all;

    public EdgeHalfPool(Bundle bundle, SessionOptions options, int count)
    {
        _idle = Channel.CreateBounded<EdgeHalf>(count);
        _all = new EdgeHalf[count];
        for (int i = 0; i < count; i++)
        {
            _all[i] = new EdgeHalf(bundle, options);
            Return(_all[i]);
        }
    }

    /// <summary>Waits for a half that nobody uses.</summary>
    public ValueTask<EdgeHalf> RentAsync(CancellationToken cancellation) => _idle.Reader.ReadAsync(cancellation);

    /// <summary>Gives a half back.</summary>
    public void Return(EdgeHalf half) => _idle.Writer.TryWrite(half);

    public void Dispose()
    {
        foreach (EdgeHalf half in _all) half?.Dispose();
    }
}
