using System.Globalization;
using System.Runtime.CompilerServices;
using CoInference.Kernels.Simd.MachineCode;

namespace CoInference.Kernels.Tests.MachineCode;

public class ExecutableMemoryTests
{
    private const int Bytes = 32 << 20;

    [SkippableFact]
    public void Pages_can_run_and_go_with_their_owner()
    {
        Skip.IfNot(ExecutableMemory.IsSupported, "this system does not let a program run what it wrote");
        nint start = LoadAndRun();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.False(IsExecutable(start), "the pages are still mapped");
    }

    // A frame of its own, so that nothing on the stack keeps the pages alive.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static unsafe nint LoadAndRun()
    {
        var code = new byte[Bytes];
        new byte[] { 0x8D, 0x47, 0x01, 0xC3 }.CopyTo(code, 0); // lea eax, [rdi + 1]; ret
        ExecutableMemory memory = ExecutableMemory.Load(code)!;
        Assert.Equal(42, ((delegate* unmanaged<int, int>)memory.Start)(41));
        Assert.True(IsExecutable(memory.Start));
        GC.KeepAlive(memory);
        return memory.Start;
    }

    private static bool IsExecutable(nint start)
    {
        foreach (string line in File.ReadLines("/proc/self/maps"))
        {
            string[] fields = line.Split(' ');
            string[] range = fields[0].Split('-');
            long from = long.Parse(range[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture), to = long.Parse(range[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (from <= start && start + Bytes <= to && fields[1].Contains('x', StringComparison.Ordinal)) return true;
        }

        return false;
    }
}
