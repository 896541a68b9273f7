using System.Buffers.Binary;

namespace CoInference.Kernels.Simd.MachineCode;

/// <summary>
/// Writes the few x64 instructions that micro-kernels need where .NET has no intrinsic for one of them: general registers, and
/// 512-bit vectors in the EVEX encoding. Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.
/// </summary>
internal sealed class Vector512Assembler
{
    private const int VectorBytes = 64;
    private const byte NoPrefix = 0, Prefix66 = 1, Map0F = 1, Map0F38 = 2;

    private readonly List<byte> _code = [];

    /// <summary>General registers by their number in the encoding.</summary>
    internal enum Register
    {
        Rax = 0, Rcx = 1, Rdx = 2, Rbx = 3, Rbp = 5, Rsi = 6, Rdi = 7, R8 = 8, R9 = 9, R10 = 10, R11 = 11,
    }

    /// <summary>The instructions so far.</summary>
    public ReadOnlySpan<byte> Code => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_code);

    /// <summary>A place to jump back to.</summary>
    public int Here => _code.Count;

    /// <summary>Puts a register on the stack.</summary>
    public void Push(Register source)
    {
        Rex(isWide: false, reg: 0, (int)source);
        _code.Add((byte)(0x50 | ((int)source & 7)));
    }

    /// <summary>Takes a register from the stack.</summary>
    public void Pop(Register target)
    {
        Rex(isWide: false, reg: 0, (int)target);
        _code.Add((byte)(0x58 | ((int)target & 7)));
    }

    /// <summary>target = source.</summary>
    public void Move(Register target, Register source) => Registers(0x89, target, source);

    /// <summary>target = 64 bits at [source + offset].</summary>
    public void Load64(Register target, Register source, int offset) => Memory(0x8B, target, source, offset, isWide: true);

    /// <summary>target = 32 bits at [source + offset].</summary>
    public void Load32(Register target, Register source, int offset) => Memory(0x8B, target, source, offset, isWide: false);

    /// <summary>64 bits at [target + offset] = source.</summary>
    public void Store64(Register target, int offset, Register source) => Memory(0x89, source, target, offset, isWide: true);

    /// <summary>target = source + offset.</summary>
    public void LoadAddress(Register target, Register source, int offset) => Memory(0x8D, target, source, offset, isWide: true);

    /// <summary>target += value.</summary>
    public void Add(Register target, int value)
    {
        bool isShort = value is >= sbyte.MinValue and <= sbyte.MaxValue;
        Rex(isWide: true, reg: 0, (int)target);
        _code.Add((byte)(isShort ? 0x83 : 0x81));
        _code.Add((byte)(0xC0 | ((int)target & 7)));
        if (isShort) _code.Add((byte)value);
        else Immediate(value);
    }

    /// <summary>target += source.</summary>
    public void Add(Register target, Register source) => Registers(0x01, target, source);

    /// <summary>target += 64 bits at [source + offset].</summary>
    public void Add64(Register target, Register source, int offset) => Memory(0x03, target, source, offset, isWide: true);

    /// <summary>target = target x 2^bits.</summary>
    public void ShiftLeft(Register target, byte bits)
    {
        Rex(isWide: true, reg: 0, (int)target);
        _code.AddRange([0xC1, (byte)(0xE0 | ((int)target & 7)), bits]);
    }

    /// <summary>Jumps forward if a register is zero.</summary>
    /// <returns>What <see cref="Land"/> needs.</returns>
    public int JumpIfZero(Register tested)
    {
        Registers(0x85, tested, tested);
        _code.AddRange([0x0F, 0x84]);
        return Forward();
    }

    /// <summary>Decrements 32 bits and jumps back if they have become zero.</summary>
    public void LeaveWhenZero(Register counter, int place)
    {
        Decrement(counter);
        _code.AddRange([0x0F, 0x84]);
        Immediate(place - (_code.Count + sizeof(int)));
    }

    /// <summary>Makes a forward jump end here.</summary>
    public void Land(int jump) =>
        BinaryPrimitives.WriteInt32LittleEndian(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_code)[jump..], _code.Count - (jump + sizeof(int)));

    /// <summary>Jumps to an address.</summary>
    public void Jump(Register address)
    {
        Rex(isWide: false, reg: 0, (int)address);
        _code.Add(0xFF);
        _code.Add((byte)(0xE0 | ((int)address & 7)));
    }

    /// <summary>Calls a place of this code.</summary>
    public void Call(int place)
    {
        _code.Add(0xE8);
        Immediate(place - (_code.Count + sizeof(int)));
    }

    /// <summary>Goes back to where this place was called from.</summary>
    public void ReturnFromCall() => _code.Add(0xC3);

    /// <summary>Decrements 32 bits and jumps back unless they have become zero.</summary>
    public void LoopWhileNotZero(Register counter, int place)
    {
        Decrement(counter);
        _code.AddRange([0x0F, 0x85]);
        Immediate(place - (_code.Count + sizeof(int)));
    }

    /// <summary>vector = 64 bytes at [source + offset].</summary>
    public void LoadVector(int vector, Register source, int offset) => Evex(NoPrefix, Map0F, 0x10, vector, 0, source, offset, VectorBytes);

    /// <summary>64 bytes at [target + offset] = vector.</summary>
    public void StoreVector(Register target, int offset, int vector) => Evex(NoPrefix, Map0F, 0x11, vector, 0, target, offset, VectorBytes);

    /// <summary>target = source.</summary>
    public void Move(int target, int source) => Evex(NoPrefix, Map0F, 0x28, target, 0, source);

    /// <summary>Every lane = 32 bits at [source + offset].</summary>
    public void Broadcast32(int vector, Register source, int offset) => Evex(Prefix66, Map0F38, 0x58, vector, 0, source, offset, sizeof(int));

    /// <summary>sum += left x 16 floats at [source + offset], rounded once.</summary>
    public void MultiplyAdd(int sum, int left, Register source, int offset) => Evex(Prefix66, Map0F38, 0xB8, sum, left, source, offset, VectorBytes);

    /// <summary>product = left x 16 floats at [source + offset].</summary>
    public void Multiply(int product, int left, Register source, int offset) => Evex(NoPrefix, Map0F, 0x59, product, left, source, offset, VectorBytes);

    /// <summary>sum = left + right, 16 floats.</summary>
    public void AddSingles(int sum, int left, int right) => Evex(NoPrefix, Map0F, 0x58, sum, left, right);

    /// <summary>sum = left + 16 floats at [source + offset].</summary>
    public void AddSingles(int sum, int left, Register source, int offset) => Evex(NoPrefix, Map0F, 0x58, sum, left, source, offset, VectorBytes);

    /// <summary>The smaller of 16 floats each; of <paramref name="right"/> where one is not a number.</summary>
    public void Minimum(int target, int left, int right) => Evex(NoPrefix, Map0F, 0x5D, target, left, right);

    /// <summary>The larger of 16 floats each; of <paramref name="right"/> where one is not a number.</summary>
    public void Maximum(int target, int left, int right) => Evex(NoPrefix, Map0F, 0x5F, target, left, right);

    /// <summary>sums += the four products of unsigned and signed bytes in each lane (AVX512-VNNI).</summary>
    public void DotProductBytes(int sums, int unsigned, int signed) => Evex(Prefix66, Map0F38, 0x50, sums, unsigned, signed);

    /// <summary>target = the nearest float of every 32-bit integer of source.</summary>
    public void ConvertToSingle(int target, int source) => Evex(NoPrefix, Map0F, 0x5B, target, 0, source);

    /// <summary>Leaves the upper halves of the vectors clean and returns.</summary>
    public void Return() => _code.AddRange([0xC5, 0xF8, 0x77, 0xC3]);

    private int Forward()
    {
        Immediate(0);
        return _code.Count - sizeof(int);
    }

    private void Decrement(Register counter)
    {
        Rex(isWide: false, reg: 0, (int)counter);
        _code.Add(0xFF);
        _code.Add((byte)(0xC8 | ((int)counter & 7)));
    }

    private void Registers(byte opcode, Register target, Register source)
    {
        Rex(isWide: true, (int)source, (int)target);
        _code.Add(opcode);
        _code.Add((byte)(0xC0 | (((int)source & 7) << 3) | ((int)target & 7)));
    }

    private void Memory(byte opcode, Register target, Register source, int offset, bool isWide)
    {
        Rex(isWide, (int)target, (int)source);
        _code.Add(opcode);
        Address((int)target, source, offset, unit: 1);
    }

    private void Rex(bool isWide, int reg, int rm)
    {
        int rex = 0x40 | (isWide ? 8 : 0) | (reg > 7 ? 4 : 0) | (rm > 7 ? 1 : 0);
        if (rex != 0x40) _code.Add((byte)rex);
    }

    // An offset of one byte counts units of the operand's size.
    private void Evex(byte prefix, byte map, byte opcode, int reg, int second, Register memory, int offset, int unit)
    {
        EvexPrefix(prefix, map, opcode, reg, second, x: 0, b: (int)memory >> 3);
        Address(reg, memory, offset, unit);
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

    // Rbp and R13 have no form without an offset.
    private void Address(int reg, Register memory, int offset, int unit)
    {
        int operands = ((reg & 7) << 3) | ((int)memory & 7);
        if (offset == 0 && ((int)memory & 7) != (int)Register.Rbp)
        {
            _code.Add((byte)operands);
        }
        else if (offset % unit == 0 && offset / unit is >= sbyte.MinValue and <= sbyte.MaxValue)
        {
            _code.Add((byte)(0x40 | operands));
            _code.Add((byte)(offset / unit));
        }
        else
        {
            _code.Add((byte)(0x80 | operands));
            Immediate(offset);
        }
    }

    private void Immediate(int value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        _code.AddRange(bytes);
    }
}
