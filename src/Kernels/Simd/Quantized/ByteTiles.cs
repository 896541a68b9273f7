using System.Runtime.InteropServices;

namespace CoInference.Kernels.Simd.Quantized;

/// <summary>Arguments of a <see cref="ByteTileKernel"/>: register tiles side by side in one row of the output.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ByteTiles
{
    /// <summary>The cell of the first pixel at the first tap; neighbouring pixels are neighbouring cells.</summary>
    public byte* Input;

    /// <summary>Offset of each step's cell from there, in bytes.</summary>
    public nint* StepOffsets;

    /// <summary>[step][output] of cells.</summary>
    public byte* Weights;

    /// <summary>Receives [pixel][output].</summary>
    public int* Sums;

    /// <summary>What the sum of each output starts from.</summary>
    public int* Start;

    /// <summary>Steps of a sum.</summary>
    public int Steps;

    /// <summary>Tiles.</summary>
    public int Count;

    /// <summary>Whether each sum is stored as the nearest float32: 0 or 1.</summary>
    public int StoresFloats;
}
