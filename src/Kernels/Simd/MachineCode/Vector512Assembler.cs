using System.Buffers.Binary;

namespace CoInference.Kernels.Simd.MachineCode;

/// <summary>
/// Writes the few x64 instructions that micro-kernels need where .NET has no intrinsic for one of them: general registers, and
/// 512-bit vectors in the EVEX encoding. Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.
/// </summary>
internal sealed class Vector512Assembler
{
    private const byte NoPrefix = 0, Prefix66 = 1, Map0F = 1, Map0F38 = 2;

    private readonly List<byte> _code = [];

    /// <summary>General registers by their number in the encoding.</summary>
    internal enum Register
    {
        Rax = 0, Rcx = 1, Rdx = 2, Rsi = 6, Rdi = 7, R8 = 8, R9 = 9, R10 = 10, R11 = 11,
    }

    /// <summary>The instructions so far.</summary>
    public ReadOnlySpan<byte> Code => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_code);

    /// <summary>A place to jump back to.</summary>
    public int Here => _code.Count;

    /// <summary>target = 64 bits at [source + offset].</summary>
    public void Load64(Register target, Register source, int offset) => Memory(0x8B, target, source, offset, isWide: true);

    /// <summary>target = 32 bits at [source + offset].</summary>
    public void Load32(Register target, Register source, int offset) => Memory(0x8B, target, source, offset, isWide: false);

    /// <summary>target += value.</summary>
    public void Add(Register target, int value)
    {
        Rex(isWide: true, reg: 0, (int)target);
        _code.Add(0x81);
        _code.Add((byte)(0xC0 | ((int)target & 7)));
        Immediate(value);
    }

    /// <summary>target += source.</summary>
    public void Add(Register target, Register source)
    {
        Rex(isWide: true, (int)source, (int)target);
        _code.Add(0x01);
        _code.Add((byte)(0xC0 | (((int)source & 7) << 3) | ((int)target & 7)));
    }

    /// <summary>Decrements 32 bits and jumps back unless they have become zero.</summary>
    public void LoopWhileNotZero(Register counter, int place)
    {
        Rex(isWide: false, reg: 0, (int)counter);
        _code.Add(0xFF);
        _code.Add((byte)(0xC8 | ((int)counter & 7)));
        _code.Add(0x0F);
        _code.Add(0x85);
        Immediate(place - (_code.Count + 4));
    }

    /// <summary>vector = 64 bytes at [source + offset].</summary>
    public void LoadVector(int vector, Register source, int offset) => Evex(NoPrefix, Map0F, 0x10, vector, 0, source, offset);

    /// <summary>64 bytes at [target + offset] = vector.</summary>
    public void StoreVector(Register target, int offset, int vector) => Evex(NoPrefix, Map0F, 0x11, vector, 0, target, offset);

    /// <summary>target = source.</summary>
    public void Move(int target, int source) => Evex(NoPrefix, Map0F, 0x28, target, 0, source);

    /// <summary>Every lane = 32 bits at [source + offset].</summary>
    public void Broadcast32(int vector, Register source, int offset) => Evex(Prefix66, Map0F38, 0x58, vector, 0, source, offset);

    /// <summary>sums += the four products of unsigned and signed bytes in each lane (AVX512-VNNI).</summary>
    public void DotProductBytes(int sums, int unsigned, int signed) => Evex(Prefix66, Map0F38, 0x50, sums, unsigned, signed);

    /// <summary>target = the nearest float of every 32-bit integer of source.</summary>
    public void ConvertToSingle(int target, int source) => Evex(NoPrefix, Map0F, 0x5B, target, 0, source);

    /// <summary>Leaves the upper halves of the vectors clean and returns.</summary>
    public void Return() => _code.AddRange([0xC5, 0xF8, 0x77, 0xC3]);

    private void Memory(byte opcode, Register target, Register source, int offset, bool isWide)
    {
        Rex(isWide, (int)target, (int)source);
        _code.Add(opcode);
        _code.Add((byte)(0x80 | (((int)target & 7) << 3) | ((int)source & 7)));
        Immediate(offset);
    }

    private void Rex(bool isWide, int reg, int rm)
    {
        int rex = 0x40 | (isWide ? 8 : 0) | (reg > 7 ? 4 : 0) | (rm > 7 ? 1 : 0);
        if (rex != 0x40) _code.Add((byte)rex);
    }

    // Without compression of displacements: all of them have 32 bits.
    private void Evex(byte prefix, byte map, byte opcode, int reg, int second, Register memory, int offset)
    {
        EvexPrefix(prefix, map, opcode, reg, second, x: 0, b: (int)memory >> 3);
        _code.Add((byte)(0x80 | ((reg & 7) << 3) | ((int)memory & 7)));
        Immediate(offset);
    }

    private void Evex(byte prefix, byte map, byte opcode, int reg, int second, int rm)
    {
        EvexPrefix(prefix, map, opcode, reg, second, x: rm >> 4, b: (rm >> 3) & 1);
        _code.Add((byte)(0xC0 | ((reg & 7) << 3) | (rm & 7)));
    }

    // The bits of register numbers are stored inverted.
    private void EvexPrefix(byte prefix, byte map, byte opcode, int reg, int second, int x, int b)
    {
        const int AllLanes = 0x40;
        _code.Add(0x62);
        _code.Add((byte)((((~reg >> 3) & 1) << 7) | ((~x & 1) << 6) | ((~b & 1) << 5) | (((~reg >> 4) & 1) << 4) | map));
        _code.Add((byte)(((~second & 15) << 3) | 4 | prefix));
        _code.Add((byte)(AllLanes | (((~second >> 4) & 1) << 3)));
        _code.Add(opcode);
    }

    private void Immediate(int value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        _code.AddRange(bytes);
    }
}
