namespace CoInference.Kernels.Simd.Gemm;

/// <summary>Operands of one matrix product; see <see cref="Gemm.Run"/>.</summary>
internal unsafe struct GemmOperands
{
    public int Rows;
    public float* A;
    public nint AStride;
    public bool Transposed;
    public float* Addend;
    public float* C;
    public nint CStride;
    public byte* Scratch;
}
