using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Training;

/// <summary>
/// How the 4 x 4 patches of a range of images are handled: strip by strip, each of whole rows of patches and so small that
/// its two transformed sides, [element][channel block][patch][lane], stay in the second-level cache.
/// </summary>
internal sealed unsafe class WinogradStrips
{
    private const int StripBytes = 512 * 1024, LineFloats = 16, MinimumPatches = 28;

    [ThreadStatic]
    private static AlignedBuffer? _scratch;

    private readonly int _lanes;
    private readonly int _imageRows;
    private readonly int _stripRows;
    private readonly int _firstBlocks;
    private readonly int _secondBlocks;

    /// <summary>Plans the strips.</summary>
    /// <param name="height">Rows of pixels, a multiple of 4.</param>
    /// <param name="width">Columns of pixels, a multiple of 4.</param>
    /// <param name="firstBlocks">Channel blocks of one side.</param>
    /// <param name="secondBlocks">Channel blocks of the other.</param>
    /// <param name="lanes">Channels of a block.</param>
    /// <param name="elements">Elements of the transform domain.</param>
    public WinogradStrips(int height, int width, int firstBlocks, int secondBlocks, int lanes, int elements)
    {
        (_lanes, _firstBlocks, _secondBlocks, Elements) = (lanes, firstBlocks, secondBlocks, elements);
        (_imageRows, Columns) = (height / 4, width / 4);
        int patchBytes = elements * (firstBlocks + secondBlocks) * lanes * sizeof(float);
        _stripRows = Math.Max(1, Math.Max(StripBytes / patchBytes, MinimumPatches) / Columns);
    }

    /// <summary>Patches of a row.</summary>
    public int Columns { get; }

    /// <summary>Elements of the transform domain.</summary>
    public int Elements { get; }

    /// <summary>Strips of a number of images.</summary>
    public int Count(int images) => ((images * _imageRows) + _stripRows - 1) / _stripRows;

    /// <summary>One strip, with memory of the calling thread.</summary>
    /// <param name="index">Number of the strip.</param>
    /// <param name="firstImage">First image of the range.</param>
    /// <param name="images">Images of the range.</param>
    public Strip Open(int index, int firstImage, int images)
    {
        int first = index * _stripRows, rows = Math.Min(_stripRows, (images * _imageRows) - first), patches = rows * Columns;
        nint firstPlane = Plane(_firstBlocks, patches), secondPlane = Plane(_secondBlocks, patches);
        long bytes = Elements * (long)(firstPlane + secondPlane) * sizeof(float);
        if (_scratch is null || _scratch.Length < bytes) _scratch = new AlignedBuffer(bytes);
        float* memory = (float*)_scratch.Pointer;
        return new Strip(memory, firstPlane, memory + (Elements * firstPlane), secondPlane, rows, patches, (firstImage * _imageRows) + first, _imageRows);
    }

    // An odd number of cache lines, so that the elements of a patch do not fall into the same set of a cache.
    private nint Plane(int blocks, int patches) => ((((nint)blocks * patches * _lanes) + LineFloats - 1) / LineFloats | 1) * LineFloats;

    /// <summary>Rows of patches and their transformed sides.</summary>
    /// <param name="first">One side.</param>
    /// <param name="firstPlane">Floats between its elements.</param>
    /// <param name="second">The other side.</param>
    /// <param name="secondPlane">Floats between its elements.</param>
    /// <param name="rows">Rows of patches.</param>
    /// <param name="patches">Patches.</param>
    /// <param name="firstRow">The first row of patches, counted over all images.</param>
    /// <param name="imageRows">Rows of patches of an image.</param>
    internal readonly struct Strip(float* first, nint firstPlane, float* second, nint secondPlane, int rows, int patches, int firstRow, int imageRows)
    {
        public readonly float* First = first, Second = second;
        public readonly nint FirstPlane = firstPlane, SecondPlane = secondPlane;
        public readonly int Rows = rows, Patches = patches;

        /// <summary>Image and row within it of a row of patches.</summary>
        public (int Image, int Row) Place(int row) => Math.DivRem(firstRow + row, imageRows);
    }
}
