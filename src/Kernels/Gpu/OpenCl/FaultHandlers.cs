using System.Runtime.InteropServices;

namespace CoInference.Kernels.Gpu.OpenCl;

/// <summary>Keeps the handlers of the signals by which .NET learns of null references and divisions by zero, on Linux.</summary>
/// <remarks>
/// Drivers that compile with LLVM in this process (PoCL, and others for CPUs) take these signals in the course of a compilation: an
/// exception anywhere in C# then has LLVM delete the files that it is writing, and the compilation fails. LLVM takes them once, and
/// again only after its own handler has run; when .NET has them back it does not.
/// </remarks>
internal static unsafe class FaultHandlers
{
    // More than the handler's structure takes on any Linux.
    private const int HandlerBytes = 512;

    // SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV: .NET sets them when it starts and never again.
    private static readonly int[] Signals = [4, 5, 7, 8, 11];

    private static readonly byte[] Kept = new byte[Signals.Length * HandlerBytes];
    private static delegate* unmanaged<int, void*, void*, int> _setHandler;

    /// <summary>Remembers .NET's handlers; before a driver is loaded.</summary>
    public static void Keep()
    {
        if (!OperatingSystem.IsLinux() || !NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "sigaction", out nint setHandler)) return;
        var get = (delegate* unmanaged<int, void*, void*, int>)setHandler;
        fixed (byte* kept = Kept)
        {
            for (int i = 0; i < Signals.Length; i++)
            {
                if (get(Signals[i], null, kept + (i * HandlerBytes)) != 0) return;
            }
        }

        _setHandler = get;
    }

    /// <summary>Gives .NET its handlers back again and again until disposed of; while a driver compiles.</summary>
    public static IDisposable Guard() => new Keeper();

    private static void Restore()
    {
        fixed (byte* kept = Kept)
        {
            for (int i = 0; i < Signals.Length; i++) _setHandler(Signals[i], kept + (i * HandlerBytes), null);
        }
    }

    private sealed class Keeper : IDisposable
    {
        private readonly Thread? _thread;
        private volatile bool _isDone;

        public Keeper()
        {
            if (_setHandler == null) return;
            _thread = new Thread(Run) { IsBackground = true, Name = "fault handlers" };
            _thread.Start();
        }

        public void Dispose()
        {
            _isDone = true;
            _thread?.Join();
        }

        private void Run()
        {
            // The handlers are taken at an unknown moment, and until they are back an exception does harm.
            while (!_isDone)
            {
                Restore();
                Thread.Sleep(1);
            }

            Restore();
        }
    }
}
