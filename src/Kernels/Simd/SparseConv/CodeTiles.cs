using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using CoInference.Kernels.Simd.Conv;
using CoInference.Kernels.Simd.MachineCode;
using static CoInference.Kernels.Simd.MachineCode.Vector512Assembler.Register;

namespace CoInference.Kernels.Simd.SparseConv;

/// <summary>
/// Unstructured tiles by machine code written for the layer: one broadcast for each weight and one multiply-add for each vector of
/// the tile, with the offsets inside the instructions. 512-bit vectors, Linux on x64.
/// </summary>
/// <remarks>
/// A loop over weights loads an offset beside each of them and guesses wrong where a channel's weights end; straight code does neither.
/// It has about 60 bytes for a weight and eight vectors, which stream from the second-level cache once for each tile and hide behind the
/// multiply-adds. Offsets of one byte, in vectors, reach 16 KiB: four registers stand in the middle of the first four such pieces
/// of the input, beyond which an address is computed for each weight. Of the technique: A. Heinecke et al., "LIBXSMM: Accelerating Small
/// Matrix Multiplications by Runtime Code Generation", 2016, whose library also generates code for fixed sparse matrices.
/// </remarks>
internal sealed unsafe class CodeTiles : IUnstructuredTiles<CodeTiles>
{
    private const int VectorBytes = 64, Piece = 16 * 1024, Pieces = 4;
    private const int FirstWeight = 24, WeightRegisters = 4, Low = 30, High = 31;

    private readonly UnstructuredWeights _weights;
    private readonly ExecutableMemory _code;
    private readonly int[] _bigPlaces;
    private readonly int[] _smallPlaces;
    private readonly int _length;

    private CodeTiles(UnstructuredWeights weights, ExecutableMemory code, int[] bigPlaces, int[] smallPlaces, int length)
    {
        _weights = weights;
        _code = code;
        _bigPlaces = bigPlaces;
        _smallPlaces = smallPlaces;
        _length = length;
    }

    /// <inheritdoc/>
    public static string Name => "code512";

    /// <inheritdoc/>
    public static bool IsSupported { get; } = Avx512F.IsSupported && ExecutableMemory.IsSupported;

    /// <inheritdoc/>
    public static UnstructuredTileCost Cost => new(CyclesPerVector: 0.52, CyclesPerWeight: 0.55, LeastCyclesPerWeight: 1, CodeBytesPerVector: 7);

    /// <inheritdoc/>
    public long WeightBytes => ((long)_weights.Count * sizeof(float)) + _length;

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">The system has no memory for the code.</exception>
    public static CodeTiles Create(UnstructuredWeights weights, TilePlan.Split split)
    {
        var code = new Vector512Assembler();
        WriteEntry(code);
        int[] big = Write(code, weights, split.Size);
        int[] small = split.Small > 0 ? Write(code, weights, split.Size - 1) : [];
        ExecutableMemory loaded = ExecutableMemory.Load(code.Code)
            ?? throw new InvalidOperationException($"No executable memory for {code.Code.Length} bytes of code of a sparse layer.");
        return new CodeTiles(weights, loaded, big, small, code.Code.Length);
    }

    /// <inheritdoc/>
    public void Run(UnstructuredTile* tile, bool isBig, int chunk, int firstChannel)
    {
        _weights.Select(tile, chunk, firstChannel);
        nint place = _code.Start + (isBig ? _bigPlaces : _smallPlaces)[(chunk * _weights.Outputs) + firstChannel];
        ((delegate* unmanaged<UnstructuredTile*, nint, void>)_code.Start)(tile, place);
        GC.KeepAlive(_code);
    }

    // Rdi is the tile for the whole run, Rdx the weights and Rsi the sums of the channel, Rcx the channels left, R8 to R11 the input.
    private static void WriteEntry(Vector512Assembler code)
    {
        code.Push(Rbx);
        code.Push(Rbp);
        code.Move(Rax, Rsi);
        code.Load64(Rdx, Rdi, Field(nameof(UnstructuredTile.Values)));
        code.Load64(Rsi, Rdi, Field(nameof(UnstructuredTile.Sums)));
        code.Load32(Rcx, Rdi, Field(nameof(UnstructuredTile.Channels)));
        code.Load64(R8, Rdi, Field(nameof(UnstructuredTile.Input)));
        code.Add(R8, Piece / 2);
        for (int piece = 1; piece < Pieces; piece++) code.LoadAddress(R8 + piece, R8, piece * Piece);
        code.Broadcast32(Low, Rdi, Field(nameof(UnstructuredTile.Minimum)));
        code.Broadcast32(High, Rdi, Field(nameof(UnstructuredTile.Maximum)));
        code.Jump(Rax);
    }

    /// <summary>Writes all chunks and channels for tiles of one size.</summary>
    /// <returns>Where the code of each output channel of each chunk begins.</returns>
    private static int[] Write(Vector512Assembler code, UnstructuredWeights weights, int vectors)
    {
        // Two or four sums of each vector in turn, where one would wait for the latency of the multiply-add.
        int chains = vectors switch { >= 8 => 1, >= 4 => 2, _ => 4 };
        int finish = WriteFinish(code, vectors);
        int leave = code.Here;
        code.Pop(Rbp);
        code.Pop(Rbx);
        code.Return();
        var places = new int[weights.Chunks * weights.Outputs];
        for (int chunk = 0; chunk < weights.Chunks; chunk++)
        {
            for (int output = 0; output < weights.Outputs; output++)
            {
                int row = (chunk * weights.Outputs) + output;
                places[row] = code.Here;
                WriteStart(code, vectors, continues: chunk > 0);
                ReadOnlySpan<int> offsets = weights.OffsetsOf(chunk, output);
                for (int i = 0; i < offsets.Length; i++)
                {
                    int weight = FirstWeight + (i % WeightRegisters);
                    code.Broadcast32(weight, Rdx, i * sizeof(float));
                    WriteProducts(code, vectors, i % chains * vectors, weight, offsets[i], isFirst: i < chains && i > 0);
                }

                for (int sum = vectors; sum < Math.Min(chains, offsets.Length) * vectors; sum++) code.AddSingles(sum % vectors, sum % vectors, sum);
                if (offsets.Length > 0) code.Add(Rdx, offsets.Length * sizeof(float));
                if (chunk == weights.Chunks - 1) code.Call(finish);
                else WriteSums(code, vectors);
                code.Add(Rsi, vectors * VectorBytes);
                code.LeaveWhenZero(Rcx, leave);
            }
        }

        return places;
    }

    private static void WriteStart(Vector512Assembler code, int vectors, bool continues)
    {
        if (continues)
        {
            for (int vector = 0; vector < vectors; vector++) code.LoadVector(vector, Rsi, vector * VectorBytes);
            return;
        }

        int bias = Field(nameof(UnstructuredTile.Bias));
        code.Load64(Rax, Rdi, bias);
        code.Broadcast32(0, Rax, 0);
        code.Add(Rax, sizeof(float));
        code.Store64(Rdi, bias, Rax);
        for (int vector = 1; vector < vectors; vector++) code.Move(vector, 0);
    }

    private static void WriteProducts(Vector512Assembler code, int vectors, int firstSum, int weight, int offset, bool isFirst)
    {
        int bytes = offset * sizeof(float);
        bool isNear = bytes + ((vectors - 1) * VectorBytes) < Pieces * Piece;
        if (!isNear) code.LoadAddress(Rax, R8, bytes - (Piece / 2));
        for (int vector = 0; vector < vectors; vector++)
        {
            int at = bytes + (vector * VectorBytes), piece = at / Piece;
            (Vector512Assembler.Register from, int distance) = isNear ? (R8 + piece, at - (piece * Piece) - (Piece / 2)) : (Rax, vector * VectorBytes);
            if (isFirst) code.Multiply(firstSum + vector, weight, from, distance);
            else code.MultiplyAdd(firstSum + vector, weight, from, distance);
        }
    }

    private static void WriteSums(Vector512Assembler code, int vectors)
    {
        for (int vector = 0; vector < vectors; vector++) code.StoreVector(Rsi, vector * VectorBytes, vector);
    }

    /// <summary>Writes what all channels do with their finished sums, to be called.</summary>
    private static int WriteFinish(Vector512Assembler code, int vectors)
    {
        int output = Field(nameof(UnstructuredTile.Output)), residual = Field(nameof(UnstructuredTile.Residual));
        int stride = Field(nameof(UnstructuredTile.OutputStride)), vectorStride = Field(nameof(UnstructuredTile.OutputVectorStride));
        int place = code.Here;
        code.Load64(Rax, Rdi, output);
        int keep = code.JumpIfZero(Rax);
        code.Load64(Rbx, Rdi, vectorStride);
        code.ShiftLeft(Rbx, 2);
        code.Load64(Rbp, Rdi, residual);
        int plain = code.JumpIfZero(Rbp);
        for (int vector = 0; vector < vectors; vector++)
        {
            code.AddSingles(vector, vector, Rbp, 0);
            code.Add(Rbp, Rbx);
        }

        AddStride(code, residual, stride);
        code.Land(plain);
        for (int vector = 0; vector < vectors; vector++)
        {
            code.Maximum(vector, Low, vector);
            code.Minimum(vector, High, vector);
            code.StoreVector(Rax, 0, vector);
            code.Add(Rax, Rbx);
        }

        AddStride(code, output, stride);
        code.ReturnFromCall();
        code.Land(keep);
        WriteSums(code, vectors);
        code.ReturnFromCall();
        return place;
    }

    private static void AddStride(Vector512Assembler code, int pointer, int stride)
    {
        code.Load64(Rbp, Rdi, stride);
        code.ShiftLeft(Rbp, 2);
        code.Add64(Rbp, Rdi, pointer);
        code.Store64(Rdi, pointer, Rbp);
    }

    private static int Field(string name) => (int)Marshal.OffsetOf<UnstructuredTile>(name);
}
