namespace CoInference.Kernels.Gpu.Cuda;

/// <summary>Launches captured from the stream and replayed by one call of the driver.</summary>
internal sealed unsafe class CudaGraph : LaunchSequence
{
    private readonly CudaDevice _device;
    private readonly nint _executable;
    private bool _disposed;

    public CudaGraph(CudaDevice device, IReadOnlyList<DeviceLaunch> launches)
    {
        _device = device;
        device.Enter();
        device.Check(device.Api.StreamBeginCapture(device.Stream, CudaCode.CaptureModeThreadLocal), "cuStreamBeginCapture", "launches cannot be recorded");
        nint graph = 0;
        try
        {
            foreach (DeviceLaunch launch in launches) launch.Run();
        }
        catch
        {
            // A stream that is still capturing runs nothing.
            device.Api.StreamEndCapture(device.Stream, &graph);
            if (graph != 0) device.Api.GraphDestroy(graph);
            throw;
        }

        int code = device.Api.StreamEndCapture(device.Stream, &graph);
        device.Check(code, "cuStreamEndCapture", "launches cannot be recorded");
        nint executable;
        code = device.Api.GraphInstantiateWithFlags(&executable, graph, 0);
        device.Api.GraphDestroy(graph);
        device.Check(code, "cuGraphInstantiate", "recorded launches cannot be run");
        _executable = executable;
    }

    public override void Run()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _device.Enter();
        int code = _device.Api.GraphLaunch(_executable, _device.Stream);
        if (code != 0) _device.Check(code, "cuGraphLaunch", "recorded launches were not queued");
    }

    protected override void Dispose(bool disposing)
    {
        if (_disposed) return;
        _disposed = true;
        _device.Api.GraphExecDestroy(_executable);
    }
}
