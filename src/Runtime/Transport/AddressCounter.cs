using System.Net;

namespace CoInference.Runtime.Transport;

/// <summary>Counts the open connections of each address against a limit.</summary>
internal sealed class AddressCounter(int limit)
{
    private readonly Dictionary<IPAddress, int> _open = [];

    /// <summary>Counts a connection in, if its address may have one more.</summary>
    public bool TryEnter(IPAddress address)
    {
        lock (_open)
        {
            int count = _open.GetValueOrDefault(address);
            if (count >= limit) return false;
            _open[address] = count + 1;
            return true;
        }
    }

    /// <summary>Counts a connection out.</summary>
    public void Leave(IPAddress address)
    {
        lock (_open)
        {
            if (--_open[address] == 0) _open.Remove(address);
        }
    }
}
