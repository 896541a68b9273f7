using System.Runtime.CompilerServices;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Simd.Conv;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Training;

/// <summary>A correlation with a 3x3 kernel at stride 1 by F(4 x 4, 3 x 3): the forward pass, or the gradient of the input.</summary>
internal sealed unsafe class WinogradSweep<TSimd, TVector, TLanes>
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TLanes : IConstant
{
    private const int Taps = 9;

    private readonly int _inputs, _outputs, _padTop, _padLeft;
    private readonly WinogradStrips _strips;
    private readonly TiledWinogradProduct<TSimd, TVector, TLanes> _product;

    /// <summary>Plans the strips and tiles.</summary>
    /// <param name="inputs">Channels summed over.</param>
    /// <param name="outputs">Channels written.</param>
    /// <param name="height">Output rows, a multiple of 4.</param>
    /// <param name="width">Output columns, a multiple of 4.</param>
    /// <param name="padTop">Zero rows above the input.</param>
    /// <param name="padLeft">Zero columns on its left.</param>
    public WinogradSweep(int inputs, int outputs, int height, int width, int padTop, int padLeft)
    {
        (_inputs, _outputs, _padTop, _padLeft) = (inputs, outputs, padTop, padLeft);
        int inputBlocks = Blocks(inputs), outputBlocks = Blocks(outputs);
        _strips = new WinogradStrips(height, width, inputBlocks, outputBlocks, TLanes.Value, WinogradTraining4<TSimd, TVector>.Elements);
        var cost = new TilePlan.Cost((VectorWidth)TLanes.Value, inputs, 0, HasRowTiles: false);
        _product = new(inputs, outputs, _strips.Elements, cost.ChooseBlocks(64, outputBlocks));
    }

    /// <summary>Takes new weights.</summary>
    /// <param name="weights">Kernels of nine, row by row.</param>
    /// <param name="outputStride">Floats between the kernels of neighbouring output channels.</param>
    /// <param name="inputStride">Floats between the kernels of neighbouring input channels.</param>
    /// <param name="turned">Whether kernels are turned by half a circle.</param>
    public void Pack(ReadOnlySpan<float> weights, int outputStride, int inputStride, bool turned)
    {
        TVector* kernel = stackalloc TVector[Taps];
        float* lanes = (float*)kernel;
        for (int block = 0; block < Blocks(_outputs); block++)
        {
            int count = Math.Min(TLanes.Value, _outputs - (block * TLanes.Value));
            new Span<float>(lanes, Taps * TLanes.Value).Clear();
            for (int input = 0; input < _inputs; input++)
            {
                int source = (block * TLanes.Value * outputStride) + (input * inputStride);
                for (int lane = 0; lane < count; lane++, source += outputStride)
                {
                    for (int tap = 0; tap < Taps; tap++) lanes[(tap * TLanes.Value) + lane] = weights[source + (turned ? Taps - 1 - tap : tap)];
                }

                WinogradTraining4<TSimd, TVector>.Weights(kernel, _product.Weights(block, input), _product.ElementStride);
            }
        }
    }

    /// <summary>Computes the output of some images.</summary>
    /// <param name="input">Source.</param>
    /// <param name="output">Target.</param>
    /// <param name="first">First image.</param>
    /// <param name="end">After the last image.</param>
    /// <param name="bounds">Bias, lower and upper bound of every output channel, each a run of <paramref name="boundStride"/> floats.</param>
    /// <param name="boundStride">Floats between the three.</param>
    /// <param name="accumulate">Whether to add to the target.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(BorderedMap input, BorderedMap output, int first, int end, float* bounds, int boundStride, bool accumulate)
    {
        for (int index = 0; index < _strips.Count(end - first); index++)
        {
            WinogradStrips.Strip strip = _strips.Open(index, first, end - first);
            TransformInput(input, strip.First, strip.FirstPlane, strip, _strips.Columns, _padTop, _padLeft);
            _product.Run(strip.First, strip.FirstPlane, strip.Second, strip.SecondPlane, strip.Patches, 0, _product.Groups.Count);
            var arguments = new WinogradPatches { PlaneStep = strip.SecondPlane, RowStep = output.RowStride, ResidualRowStep = output.RowStride, Count = _strips.Columns };
            for (int row = 0; row < strip.Rows; row++)
            {
                (int image, int patchRow) = strip.Place(row);
                for (int block = 0; block < output.Blocks; block++)
                {
                    arguments.Pixels = output.Plane(image, block) + (patchRow * WinogradTraining4<TSimd, TVector>.Size * output.RowStride);
                    arguments.Residual = accumulate ? arguments.Pixels : null;
                    arguments.Elements = strip.Second + ((((nint)block * strip.Patches) + (row * _strips.Columns)) * TLanes.Value);
                    arguments.Bias = bounds + ((nint)block * TLanes.Value);
                    arguments.Minimum = arguments.Bias + boundStride;
                    arguments.Maximum = arguments.Minimum + boundStride;
                    WinogradTransform4<TSimd, TVector, OnePatch<TSimd, TVector>>.Output(&arguments);
                }
            }
        }

        // The transforms hold bare pointers.
        GC.KeepAlive(input);
        GC.KeepAlive(output);
    }

    /// <summary>Computes B^T d B of the patches of a strip. Its border lets a map be read beyond its edges.</summary>
    public static void TransformInput(BorderedMap map, float* elements, nint plane, WinogradStrips.Strip strip, int columns, int padTop, int padLeft)
    {
        var arguments = new WinogradPatches { PlaneStep = plane, RowStep = map.RowStride, Count = columns };
        for (int row = 0; row < strip.Rows; row++)
        {
            (int image, int patchRow) = strip.Place(row);
            for (int block = 0; block < map.Blocks; block++)
            {
                arguments.Pixels = map.Plane(image, block) + (((patchRow * WinogradTraining4<TSimd, TVector>.Size) - padTop) * map.RowStride) - ((nint)padLeft * TLanes.Value);
                arguments.Elements = elements + ((((nint)block * strip.Patches) + (row * columns)) * TLanes.Value);
                WinogradTransform4<TSimd, TVector, OnePatch<TSimd, TVector>>.Input(&arguments);
            }
        }
    }

    private static int Blocks(int channels) => (channels + TLanes.Value - 1) / TLanes.Value;
}
