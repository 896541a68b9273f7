namespace CoInference.Runtime.Tests.Transport;

/// <summary>Keeps all workers of a server from taking requests, so that what arrives waits, until it is disposed.</summary>
internal sealed class HeldWorkers : IDisposable
{
    private IDisposable? _hold;

    public HeldWorkers(RunningServer running) => _hold = running.Server.Scheduler.Hold();

    public void Dispose()
    {
        _hold?.Dispose();
        _hold = null;
    }
}
