using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using CoInference.Kernels.Simd.MachineCode;
using static CoInference.Kernels.Simd.MachineCode.Vector512Assembler.Register;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>
/// Tiles of up to 14 pixels x 32 output channels by the AVX512-VNNI instruction that adds four products of bytes to each lane, of
/// which .NET has no 512-bit intrinsic: machine code of our own, the loop of <see cref="CellTile{TCells,TProduct,TVector,TPixels}"/>.
/// </summary>
internal sealed unsafe class QuadTileCode : ByteTileKernel
{
    private const int MostPixels = 14, VectorBytes = 64, FirstWeights = 28, SecondWeights = 29, Cell = 30;

    private readonly nint[] _integers = new nint[MostPixels + 1];
    private readonly nint[] _floats = new nint[MostPixels + 1];

    private QuadTileCode()
    {
    }

    /// <inheritdoc/>
    public override string Name => "conv.integer.vnni512";

    /// <inheritdoc/>
    public override int CellChannels => 4;

    /// <inheritdoc/>
    public override int Outputs => 32;

    /// <inheritdoc/>
    public override int MaximumPixels => MostPixels;

    /// <summary>Writes the code of all tiles; null where the CPU lacks the instruction or the system does not let a program run what it wrote.</summary>
    public static QuadTileCode? Create()
    {
        const int StructuredFeatures = 7, VnniBit = 1 << 11;
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < StructuredFeatures || (X86Base.CpuId(StructuredFeatures, 0).Ecx & VnniBit) == 0) return null;
        var kernel = new QuadTileCode();
        var code = new List<byte>();
        var places = new List<(nint[] Table, int Pixels, int Start)>();
        for (int pixels = 1; pixels <= MostPixels; pixels++)
        {
            foreach (nint[] table in new[] { kernel._integers, kernel._floats })
            {
                places.Add((table, pixels, code.Count));
                code.AddRange(Assemble(pixels, table == kernel._floats));
            }
        }

        nint start = ExecutableMemory.Load(CollectionsMarshal.AsSpan(code));
        if (start == 0) return null;
        foreach ((nint[] table, int pixels, int offset) in places) table[pixels] = start + offset;
        return kernel;
    }

    /// <inheritdoc/>
    public override void Run(ByteTiles* tiles, int pixels) =>
        ((delegate* unmanaged<ByteTiles*, void>)(tiles->StoresFloats != 0 ? _floats : _integers)[pixels])(tiles);

    private static ReadOnlySpan<byte> Assemble(int pixels, bool storesFloats)
    {
        var code = new Vector512Assembler();
        code.Load64(Rax, Rdi, Field(nameof(ByteTiles.Input)));
        code.Load64(Rcx, Rdi, Field(nameof(ByteTiles.Sums)));
        code.Load32(Rdx, Rdi, Field(nameof(ByteTiles.Count)));
        code.Load64(R10, Rdi, Field(nameof(ByteTiles.Start)));
        int nextTile = code.Here;
        code.Load64(Rsi, Rdi, Field(nameof(ByteTiles.Weights)));
        code.Load64(R8, Rdi, Field(nameof(ByteTiles.StepOffsets)));
        code.Load32(R9, Rdi, Field(nameof(ByteTiles.Steps)));
        code.LoadVector(0, R10, 0);
        code.LoadVector(1, R10, VectorBytes);
        for (int vector = 2; vector < 2 * pixels; vector++) code.Move(vector, vector % 2);
        int nextStep = code.Here;
        code.Load64(R11, R8, 0);
        code.Add(R8, sizeof(long));
        code.Add(R11, Rax);
        code.LoadVector(FirstWeights, Rsi, 0);
        code.LoadVector(SecondWeights, Rsi, VectorBytes);
        code.Add(Rsi, 2 * VectorBytes);
        for (int pixel = 0; pixel < pixels; pixel++)
        {
            code.Broadcast32(Cell, R11, pixel * sizeof(int));
            code.DotProductBytes(2 * pixel, Cell, FirstWeights);
            code.DotProductBytes((2 * pixel) + 1, Cell, SecondWeights);
        }

        code.LoopWhileNotZero(R9, nextStep);
        for (int vector = 0; vector < 2 * pixels; vector++)
        {
            if (storesFloats) code.ConvertToSingle(vector, vector);
            code.StoreVector(Rcx, vector * VectorBytes, vector);
        }

        code.Add(Rax, pixels * sizeof(int));
        code.Add(Rcx, 2 * pixels * VectorBytes);
        code.LoopWhileNotZero(Rdx, nextTile);
        code.Return();
        return code.Code;
    }

    private static int Field(string name) => (int)Marshal.OffsetOf<ByteTiles>(name);
}
