using CoInference.Kernels.Simd.MachineCode;
using static CoInference.Kernels.Simd.MachineCode.Vector512Assembler.Register;

namespace CoInference.Kernels.Tests.MachineCode;

/// <summary>Instructions against the bytes that the GNU assembler (2.40, with {disp32}) writes for them.</summary>
public class Vector512AssemblerTests
{
    [Fact]
    public void Instructions_are_encoded_as_an_assembler_does()
    {
        Check("4C8B9F10000000", code => code.Load64(R11, Rdi, 0x10)); // mov r11, [rdi + 10h]
        Check("418B9020000000", code => code.Load32(Rdx, R8, 0x20)); // mov edx, [r8 + 20h]
        Check("4881C680000000", code => code.Add(Rsi, 0x80)); // add rsi, 80h
        Check("4901C3", code => code.Add(R11, Rax)); // add r11, rax
        Check("62417C4810AA40000000", code => code.LoadVector(29, R10, 0x40)); // vmovups zmm29, [r10 + 40h]
        Check("62617C48119980060000", code => code.StoreVector(Rcx, 0x680, 27)); // vmovups [rcx + 680h], zmm27
        Check("62417C4828D1", code => code.Move(26, 9)); // vmovaps zmm26, zmm9
        Check("62427D4858B334000000", code => code.Broadcast32(30, R11, 0x34)); // vpbroadcastd zmm30, [r11 + 34h]
        Check("62020D4050DD", code => code.DotProductBytes(27, 30, 29)); // vpdpbusd zmm27, zmm30, zmm29
        Check("6252454850CC", code => code.DotProductBytes(9, 7, 12)); // vpdpbusd zmm9, zmm7, zmm12
        Check("62B17C485BE3", code => code.ConvertToSingle(4, 19)); // vcvtdq2ps zmm4, zmm19
        Check("41FFC90F85F7FFFFFF", code => code.LoopWhileNotZero(R9, 0)); // dec r9d; jnz to itself
        Check("C5F877C3", code => code.Return()); // vzeroupper; ret
    }

    private static void Check(string expected, Action<Vector512Assembler> write)
    {
        var code = new Vector512Assembler();
        write(code);
        Assert.Equal(expected, Convert.ToHexString(code.Code));
    }
}
