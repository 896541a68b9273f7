using System.Runtime.InteropServices;

namespace CoInference.Kernels.Simd.MachineCode;

/// <summary>
/// Pages of machine code, written once and then read-only, that live as long as this object. Linux on x64. Whoever runs the code keeps
/// the object alive until the call has returned.
/// </summary>
internal sealed unsafe partial class ExecutableMemory
{
    private const int ReadWrite = 3, ReadExecute = 5, PrivateAnonymous = 0x22;

    private readonly nuint _bytes;

    private ExecutableMemory(nint start, nuint bytes)
    {
        Start = start;
        _bytes = bytes;
        GC.AddMemoryPressure((long)bytes);
    }

    ~ExecutableMemory()
    {
        _ = Unmap(Start, _bytes);
        GC.RemoveMemoryPressure((long)_bytes);
    }

    /// <summary>Whether this process may run code that it wrote.</summary>
    public static bool IsSupported { get; } = Load([0xC3]) != null;

    /// <summary>Address of the first instruction.</summary>
    public nint Start { get; }

    /// <summary>Makes a piece of code callable by the System V convention.</summary>
    /// <param name="code">The instructions; they must not depend on where they lie.</param>
    /// <returns>The pages; null where this is not Linux on x64, or the system forbids it.</returns>
    public static ExecutableMemory? Load(ReadOnlySpan<byte> code)
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64) return null;
        nint start = Map(0, (nuint)code.Length, ReadWrite, PrivateAnonymous, -1, 0);
        if (start is -1 or 0) return null;
        code.CopyTo(new Span<byte>((void*)start, code.Length));
        if (Protect(start, (nuint)code.Length, ReadExecute) == 0) return new ExecutableMemory(start, (nuint)code.Length);
        _ = Unmap(start, (nuint)code.Length);
        return null;
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint bytes, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(nint address, nuint bytes, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint bytes);
}
