using CoInference.Kernels.Devices;

namespace CoInference.Runtime.Execution;

/// <summary>
/// The ends of a session of one float input and one float output: where every step that touches the value can be pointed
/// elsewhere it lies in the caller's memory during a run, otherwise it is copied, by all threads when it is large.
/// </summary>
internal sealed unsafe class SessionBoundary
{
    private readonly (IMovableStep Step, nint Home)[] _readers;
    private readonly (IMovableStep Step, nint Home)? _writer;
    private readonly PlaneCopy _copyIn;
    private readonly PlaneCopy _copyOut;
    private readonly nint _input;
    private readonly nint _output;

    public SessionBoundary(CompiledGraph graph, BoundGraph bound, WorkerSet workers)
    {
        ExecutionPlan plan = graph.Plan;
        PhysicalValue input = plan.Inputs[0], output = plan.Outputs[0];
        _input = CompiledGraph.Address(input, bound.Arena!);
        _output = CompiledGraph.Address(output, bound.Arena!);
        _copyIn = new PlaneCopy(workers, graph.Inputs[0]);
        _copyOut = new PlaneCopy(workers, graph.Outputs[0]);
        _readers = [.. Readers(plan, input.Storage.Root, bound.Steps).Select(step => (step, _input))];
        _writer = Writer(plan, output.Storage.Root, bound.Steps) is { } writer ? (writer, _output) : null;
    }

    /// <summary>Makes the input readable and tells the last step where to write.</summary>
    /// <param name="source">The caller's input.</param>
    /// <param name="target">The caller's output.</param>
    /// <param name="inputBytes">Bytes of the input.</param>
    /// <param name="inPlace">Whether steps may use the caller's memory: not when output and input overlap.</param>
    public void Open(byte* source, byte* target, long inputBytes, bool inPlace)
    {
        if (inPlace && _readers.Length > 0)
        {
            foreach ((IMovableStep step, _) in _readers) step.MoveInput((nint)source);
        }
        else
        {
            _copyIn.Run(source, (byte*)_input, inputBytes);
        }

        if (inPlace) _writer?.Step.MoveOutput((nint)target);
    }

    /// <summary>Hands the output over, and points the steps back at the session's own memory.</summary>
    public void Close(byte* target, long outputBytes, bool inPlace)
    {
        if (!inPlace || _writer is null) _copyOut.Run((byte*)_output, target, outputBytes);
        Restore();
    }

    /// <summary>Points the steps back at the session's own memory.</summary>
    public void Restore()
    {
        foreach ((IMovableStep step, nint home) in _readers) step.MoveInput(home);
        if (_writer is { } writer) writer.Step.MoveOutput(writer.Home);
    }

    // Empty unless all of them can be moved and none writes over the input.
    private static List<IMovableStep> Readers(ExecutionPlan plan, Storage storage, Step[] steps)
    {
        var readers = new List<IMovableStep>();
        if (storage.IsOnDevice || plan.Outputs.Exists(output => output.Storage.Root == storage)) return [];
        for (int i = 0; i < steps.Length; i++)
        {
            if (plan.Steps[i].Outputs.Any(output => output.Storage.Root == storage)) return [];
            for (int input = 0; input < plan.Steps[i].Inputs.Length; input++)
            {
                PhysicalValue read = plan.Steps[i].Inputs[input];
                if (read.Storage.Root != storage) continue;
                if (read.Bytes != plan.Inputs[0].Bytes || steps[i] is not IMovableStep movable || !movable.CanMoveInput(input)) return [];
                readers.Add(movable);
            }
        }

        return readers;
    }

    // Null unless one step alone touches the output.
    private static IMovableStep? Writer(ExecutionPlan plan, Storage storage, Step[] steps)
    {
        IMovableStep? writer = null;
        if (storage.IsOnDevice || storage.Constant is not null || plan.Inputs.Exists(input => input.Storage.Root == storage)) return null;
        for (int i = 0; i < steps.Length; i++)
        {
            if (plan.Steps[i].Inputs.Any(input => input.Storage.Root == storage)) return null;
            PhysicalValue? written = Array.Find(plan.Steps[i].Outputs, output => output.Storage.Root == storage);
            if (written is null) continue;

            // A value of one pixel has the same bytes in blocks, but more of them.
            if (writer is not null || written.Bytes != plan.Outputs[0].Bytes || steps[i] is not IMovableStep { CanMoveOutput: true } movable) return null;
            writer = movable;
        }

        return writer;
    }

    /// <summary>
    /// A copy in which every thread takes the same share of each plane, as kernels share out rows: what a thread will
    /// read, or has written, is then in the caches of its own processor and need not cross to it from another.
    /// </summary>
    private sealed class PlaneCopy(WorkerSet workers, SessionValue value) : IParallelWork
    {
        // Below this the data pass from one processor to the other in less time than a hand-over takes.
        private const long BytesWorthThreads = 256 * 1024;

        private readonly long _planeBytes = value.Shape is { Rank: 4 } image ? (long)image[2] * image[3] * sizeof(float) : 0;
        private byte* _source;
        private byte* _target;
        private int _planes;
        private int _parts;

        public void Run(byte* source, byte* target, long bytes)
        {
            if (workers.Threads == 1 || bytes < BytesWorthThreads || _planeBytes == 0)
            {
                Buffer.MemoryCopy(source, target, bytes, bytes);
                return;
            }

            _source = source;
            _target = target;
            _planes = (int)(bytes / _planeBytes);
            _parts = workers.Threads;
            workers.Run(this, _parts);
        }

        void IParallelWork.Execute(int part)
        {
            long first = _planeBytes * part / _parts, end = _planeBytes * (part + 1) / _parts;
            for (int plane = 0; plane < _planes; plane++)
            {
                long at = (plane * _planeBytes) + first;
                Buffer.MemoryCopy(_source + at, _target + at, end - first, end - first);
            }
        }
    }
}
