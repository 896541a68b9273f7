using CoInference.Kernels.Simd.MachineCode;
using static CoInference.Kernels.Simd.MachineCode.Vector512Assembler.Register;

namespace CoInference.Kernels.Tests.MachineCode;

/// <summary>Instructions against the bytes that the GNU assembler (2.40) writes for them.</summary>
public class Vector512AssemblerTests
{
    [Fact]
    public void Instructions_are_encoded_as_an_assembler_does()
    {
        Check("4C8B5F10", code => code.Load64(R11, Rdi, 0x10)); // mov r11, [rdi + 10h]
        Check("418B5020", code => code.Load32(Rdx, R8, 0x20)); // mov edx, [r8 + 20h]
        Check("488B6D00", code => code.Load64(Rbp, Rbp, 0)); // mov rbp, [rbp]
        Check("4C894B18", code => code.Store64(Rbx, 0x18, R9)); // mov [rbx + 18h], r9
        Check("4C8D9600400000", code => code.LoadAddress(R10, Rsi, 0x4000)); // lea r10, [rsi + 4000h]
        Check("4881C680000000", code => code.Add(Rsi, 0x80)); // add rsi, 80h
        Check("4883C640", code => code.Add(Rsi, 0x40)); // add rsi, 40h
        Check("4901C3", code => code.Add(R11, Rax)); // add r11, rax
        Check("48035F38", code => code.Add64(Rbx, Rdi, 0x38)); // add rbx, [rdi + 38h]
        Check("48C1E302", code => code.ShiftLeft(Rbx, 2)); // shl rbx, 2
        Check("4889F0", code => code.Move(Rax, Rsi)); // mov rax, rsi
        Check("554158", code => { code.Push(Rbp); code.Pop(R8); }); // push rbp; pop r8
        Check("FFE041FFE1", code => { code.Jump(Rax); code.Jump(R9); }); // jmp rax; jmp r9
        Check("62617C48106A01", code => code.LoadVector(29, Rdx, 0x40)); // vmovups zmm29, [rdx + 40h]
        Check("62F17C48101E", code => code.LoadVector(3, Rsi, 0)); // vmovups zmm3, [rsi]
        Check("62617C4811591A", code => code.StoreVector(Rcx, 0x680, 27)); // vmovups [rcx + 680h], zmm27
        Check("62F17C48115500", code => code.StoreVector(Rbp, 0, 2)); // vmovups [rbp], zmm2
        Check("62417C4828D1", code => code.Move(26, 9)); // vmovaps zmm26, zmm9
        Check("62427D4858730D", code => code.Broadcast32(30, R11, 0x34)); // vpbroadcastd zmm30, [r11 + 34h]
        Check("62F27D4858AA00020000", code => code.Broadcast32(5, Rdx, 0x200)); // vpbroadcastd zmm5, [rdx + 200h]
        Check("62C21D40B84980", code => code.MultiplyAdd(17, 28, R9, -0x2000)); // vfmadd231ps zmm17, zmm28, [r9 - 2000h]
        Check("62C21D40B88900200000", code => code.MultiplyAdd(17, 28, R9, 0x2000)); // vfmadd231ps zmm17, zmm28, [r9 + 2000h]
        Check("62F25D40B8B024000000", code => code.MultiplyAdd(6, 20, Rax, 0x24)); // vfmadd231ps zmm6, zmm20, [rax + 24h]
        Check("6251544059487F", code => code.Multiply(9, 21, R8, 0x1FC0)); // vmulps zmm9, zmm21, [r8 + 1fc0h]
        Check("62F14448587D00", code => code.AddSingles(7, 7, Rbp, 0)); // vaddps zmm7, zmm7, [rbp]
        Check("62916C4058CE", code => code.AddSingles(1, 18, 30)); // vaddps zmm1, zmm18, zmm30
        Check("62F104405DDB", code => code.Minimum(3, 31, 3)); // vminps zmm3, zmm31, zmm3
        Check("62A10C405FE4", code => code.Maximum(20, 30, 20)); // vmaxps zmm20, zmm30, zmm20
        Check("62020D4050DD", code => code.DotProductBytes(27, 30, 29)); // vpdpbusd zmm27, zmm30, zmm29
        Check("6252454850CC", code => code.DotProductBytes(9, 7, 12)); // vpdpbusd zmm9, zmm7, zmm12
        Check("62B17C485BE3", code => code.ConvertToSingle(4, 19)); // vcvtdq2ps zmm4, zmm19
        Check("41FFC90F85F7FFFFFF", code => code.LoopWhileNotZero(R9, 0)); // dec r9d; jnz to itself
        Check("FFC90F84F8FFFFFF", code => code.LeaveWhenZero(Rcx, 0)); // dec ecx; jz to itself
        Check("4885C00F8401000000C3E8F1FFFFFF", code => // test rax, rax; jz over ret; ret; call the beginning
        {
            int jump = code.JumpIfZero(Rax);
            code.ReturnFromCall();
            code.Land(jump);
            code.Call(0);
        });
        Check("C5F877C3", code => code.Return()); // vzeroupper; ret
    }

    private static void Check(string expected, Action<Vector512Assembler> write)
    {
        var code = new Vector512Assembler();
        write(code);
        Assert.Equal(expected, Convert.ToHexString(code.Code));
    }
}
