using System.Runtime.InteropServices;

namespace CoInference.Kernels.Simd.MachineCode;

/// <summary>Pages of machine code, written once and then read-only; never freed. Linux on x64.</summary>
internal static unsafe partial class ExecutableMemory
{
    private const int ReadWrite = 3, ReadExecute = 5, PrivateAnonymous = 0x22;

    /// <summary>Makes a piece of code callable by the System V convention.</summary>
    /// <param name="code">The instructions; they must not depend on where they lie.</param>
    /// <returns>The address; zero where this is not Linux on x64, or the system forbids it.</returns>
    public static nint Load(ReadOnlySpan<byte> code)
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64) return 0;
        nint start = Map(0, (nuint)code.Length, ReadWrite, PrivateAnonymous, -1, 0);
        if (start is -1 or 0) return 0;
        code.CopyTo(new Span<byte>((void*)start, code.Length));
        if (Protect(start, (nuint)code.Length, ReadExecute) == 0) return start;
        _ = Unmap(start, (nuint)code.Length);
        return 0;
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(nint address, nuint bytes, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(nint address, nuint bytes, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint bytes);
}
