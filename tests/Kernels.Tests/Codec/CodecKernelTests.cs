using CoInference.Kernels.Simd.Codec;

namespace CoInference.Kernels.Tests.Codec;

public class CodecKernelTests
{
    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Symbols_are_the_same_on_every_instruction_set(string setting)
    {
        // The same bytes, not close ones: the checksum of many symbols is compared with that of the scalar definition.
        Assert.Equal(CodecKernelChecks.ScalarSymbols().ToString("x8"), InstructionSets.Run(CodecKernelChecks.PrintSymbols, setting).Trim());
    }

    [Theory]
    [MemberData(nameof(InstructionSets.Settings), MemberType = typeof(InstructionSets))]
    public void Packing_restoring_and_rebuilding_agree_with_their_definitions(string setting) => InstructionSets.Run(CodecKernelChecks.PackRestoreRebuild, setting);

    [Fact]
    public void Checksum_is_Castagnoli()
    {
        // The check value of CRC-32C is that of the digits 1 to 9; that of 32 zero bytes is in RFC 3720, B.4.
        Assert.Equal(0xE3069283u, Crc32C.Compute("123456789"u8));
        Assert.Equal(0xE3069283u, Crc32C.Compute("1234"u8, "56789"u8));
        Assert.Equal(0u, Crc32C.Compute([]));
        Assert.Equal(0x8A9136AAu, Crc32C.Compute(new byte[32]));
    }
}
