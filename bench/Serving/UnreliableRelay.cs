using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace CoInference.Bench.Serving;

/// <summary>How bad a link is.</summary>
/// <param name="MegabitsPerSecond">Best rate of each connection, each way.</param>
/// <param name="FadePeriod">The rate falls to a tenth and recovers once in this time.</param>
/// <param name="StallEvery">Mean time between stalls, in which nothing moves.</param>
/// <param name="StallFor">Longest stall.</param>
/// <param name="DropEvery">Mean time between drops of one connection, in mid-frame as it comes.</param>
internal sealed record LinkTrouble(double MegabitsPerSecond, TimeSpan FadePeriod, TimeSpan StallEvery, TimeSpan StallFor, TimeSpan DropEvery);

/// <summary>A TCP relay on this machine that makes a good link a bad one: it fades, stalls and drops connections.</summary>
internal sealed class UnreliableRelay : IDisposable
{
    private readonly LinkTrouble _trouble;
    private readonly IPEndPoint _target;
    private readonly Socket _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<(Socket Near, Socket Far)> _open = [];
    private readonly Random _random;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly Task _running;
    private long _stalledUntil;
    private int _drops;
    private int _stalls;

    /// <param name="port">Port on this machine to relay to.</param>
    /// <param name="trouble">What to do to the traffic.</param>
    /// <param name="seed">Seed of when.</param>
    public UnreliableRelay(int port, LinkTrouble trouble, int seed)
    {
        (_trouble, _random) = (trouble, new Random(seed));
        _target = new IPEndPoint(IPAddress.Loopback, port);
        _listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(128);
        _running = Task.WhenAll(AcceptAsync(), MisbehaveAsync());
    }

    /// <summary>Port to connect to.</summary>
    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    /// <summary>Connections dropped so far.</summary>
    public int Drops => Volatile.Read(ref _drops);

    /// <summary>Stalls so far.</summary>
    public int Stalls => Volatile.Read(ref _stalls);

    public void Dispose()
    {
        _stop.Cancel();
        lock (_open) _open.ForEach(Close);
        _running.GetAwaiter().GetResult();
        _listener.Dispose();
        _stop.Dispose();
    }

    private static void Close((Socket Near, Socket Far) pair)
    {
        // A reset, as a vanished network gives, and not a polite end.
        pair.Near.LingerState = pair.Far.LingerState = new LingerOption(true, 0);
        pair.Near.Dispose();
        pair.Far.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                Socket near = await _listener.AcceptAsync(_stop.Token);
                var far = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                near.NoDelay = true;
                try
                {
                    await far.ConnectAsync(_target, _stop.Token);
                }
                catch (SocketException)
                {
                    // The edge is down: the client sees its connection end.
                    Close((near, far));
                    continue;
                }

                lock (_open) _open.Add((near, far));
                _ = PumpAsync(near, far);
                _ = PumpAsync(far, near);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task PumpAsync(Socket from, Socket to)
    {
        var buffer = new byte[1500];
        try
        {
            for (int count; (count = await from.ReceiveAsync(buffer)) > 0;)
            {
                TimeSpan pause = TimeSpan.FromSeconds(count * 8 / (Rate() * 1e6));
                for (long stalled; (stalled = Interlocked.Read(ref _stalledUntil) - _clock.ElapsedMilliseconds) > 0;) await Task.Delay(TimeSpan.FromMilliseconds(stalled), _stop.Token);
                // A timer is no finer than a millisecond: shorter pauses are made now and then, at their full rate.
                if (pause.TotalMilliseconds >= 1 || _clock.ElapsedTicks % 1000 < pause.TotalMilliseconds * 1000) await Task.Delay(TimeSpan.FromMilliseconds(Math.Max(1, pause.TotalMilliseconds)));
                for (int sent = 0; sent < count;) sent += await to.SendAsync(buffer.AsMemory(sent, count - sent));
            }
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Dropped, or one side is gone: then the other side loses its connection too.
        }

        lock (_open)
        {
            int index = _open.FindIndex(pair => pair.Near == from || pair.Far == from);
            if (index < 0) return;
            Close(_open[index]);
            _open.RemoveAt(index);
        }
    }

    private double Rate()
    {
        double phase = _clock.Elapsed / _trouble.FadePeriod * 2 * Math.PI;
        return _trouble.MegabitsPerSecond * (0.55 + (0.45 * Math.Cos(phase)));
    }

    private async Task MisbehaveAsync()
    {
        TimeSpan nextStall = Next(_trouble.StallEvery), nextDrop = Next(_trouble.DropEvery);
        while (!_stop.IsCancellationRequested)
        {
            await Task.Delay(5);
            if (_clock.Elapsed > nextStall)
            {
                Interlocked.Exchange(ref _stalledUntil, _clock.ElapsedMilliseconds + (long)(_random.NextDouble() * _trouble.StallFor.TotalMilliseconds));
                Interlocked.Increment(ref _stalls);
                nextStall = _clock.Elapsed + Next(_trouble.StallEvery);
            }

            if (_clock.Elapsed <= nextDrop) continue;
            nextDrop = _clock.Elapsed + Next(_trouble.DropEvery);
            lock (_open)
            {
                if (_open.Count == 0) continue;
                int victim = _random.Next(_open.Count);
                Close(_open[victim]);
                _open.RemoveAt(victim);
                Interlocked.Increment(ref _drops);
            }
        }

        TimeSpan Next(TimeSpan mean) => mean * -Math.Log(1 - _random.NextDouble());
    }
}
