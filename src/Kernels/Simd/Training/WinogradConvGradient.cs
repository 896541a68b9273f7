using CoInference.Kernels.Simd.Conv;
using CoInference.Kernels.Simd.Vectors;

namespace CoInference.Kernels.Simd.Training;

/// <summary>
/// 3x3 convolutions of stride 1 by F(4 x 4, 3 x 3) in all three passes: a quarter of the multiply-adds, for a rounding error
/// of some ten units in the last place. Patches must cover the image exactly; other layers are <see cref="DenseConvGradient{TSimd,TVector,TLanes}"/>.
/// </summary>
internal sealed unsafe class WinogradConvGradient<TSimd, TVector, TLanes> : ConvGradient
    where TSimd : ISimd<TVector>
    where TVector : unmanaged
    where TLanes : IConstant
{
    private const int Taps = 9;

    /// <summary>With fewer channels the transforms cost more than the products save.</summary>
    private const int MinimumChannels = 8;

    private readonly WinogradSweep<TSimd, TVector, TLanes> _forward;
    private readonly WinogradSweep<TSimd, TVector, TLanes>? _backward;
    private readonly WinogradStrips _strips;
    private readonly ChannelBounds _unbounded;

    public WinogradConvGradient(ConvGradientShape shape, bool needsInputGradient)
        : base(shape)
    {
        _forward = new(shape.InChannels, shape.OutChannels, shape.OutHeight, shape.OutWidth, shape.PadTop, shape.PadLeft);
        if (needsInputGradient) _backward = new(shape.OutChannels, shape.InChannels, shape.InHeight, shape.InWidth, 2 - shape.PadTop, 2 - shape.PadLeft);
        _strips = new WinogradStrips(shape.OutHeight, shape.OutWidth, InBlocks, OutBlocks, TLanes.Value, WinogradTraining4<TSimd, TVector>.Elements);
        _unbounded = new ChannelBounds(shape, TLanes.Value);
    }

    private int InBlocks => (Shape.InChannels + TLanes.Value - 1) / TLanes.Value;

    private int OutBlocks => (Shape.OutChannels + TLanes.Value - 1) / TLanes.Value;

    /// <inheritdoc/>
    public override int SumCount => WinogradTraining4<TSimd, TVector>.Elements * OutBlocks * Shape.InChannels * TLanes.Value;

    private nint ElementSums => (nint)OutBlocks * Shape.InChannels * TLanes.Value;

    /// <summary>Whether a layer can be computed so, and gains by it.</summary>
    public static bool Supports(ConvGradientShape shape, bool needsInputGradient) =>
        shape is { KernelHeight: 3, KernelWidth: 3, StrideY: 1, StrideX: 1, DilationY: 1, DilationX: 1, Groups: 1, PadTop: <= 2, PadLeft: <= 2 }
        && Math.Min(shape.InChannels, shape.OutChannels) >= MinimumChannels
        && shape.OutHeight % 4 == 0 && shape.OutWidth % 4 == 0
        && (!needsInputGradient || (shape.InHeight % 4 == 0 && shape.InWidth % 4 == 0));

    /// <inheritdoc/>
    public override void Pack(ReadOnlySpan<float> weights)
    {
        _forward.Pack(weights, Shape.InChannels * Taps, Taps, turned: false);
        _backward?.Pack(weights, Taps, Shape.InChannels * Taps, turned: true);
    }

    /// <inheritdoc/>
    public override void Forward(BorderedMap input, BorderedMap output, int first, int afterLast, ReadOnlySpan<float> bias, float low, float high)
    {
        float* bounds = stackalloc float[3 * _unbounded.Stride];
        _unbounded.Fill(bounds, bias, low, high);
        _forward.Run(input, output, first, afterLast, bounds, _unbounded.Stride, accumulate: false);
    }

    /// <inheritdoc/>
    public override void BackwardInput(BorderedMap gradient, BorderedMap inputGradient, int first, int afterLast, bool accumulate)
    {
        _backward!.Run(gradient, inputGradient, first, afterLast, _unbounded.Pointer, _unbounded.Stride, accumulate);
        GC.KeepAlive(this);
    }

    /// <inheritdoc/>
    public override void BackwardWeights(BorderedMap input, BorderedMap gradient, int first, int afterLast, Span<float> sums)
    {
        fixed (float* target = sums)
        {
            for (int index = 0; index < _strips.Count(afterLast - first); index++)
            {
                WinogradStrips.Strip strip = _strips.Open(index, first, afterLast - first);
                WinogradSweep<TSimd, TVector, TLanes>.TransformInput(input, strip.First, strip.FirstPlane, strip, _strips.Columns, Shape.PadTop, Shape.PadLeft);
                TransformGradient(gradient, strip);
                Multiply(strip, target);
            }
        }

        GC.KeepAlive(input);
        GC.KeepAlive(gradient);
    }

    /// <inheritdoc/>
    public override void Unpack(ReadOnlySpan<float> sums, Span<float> gradients)
    {
        TVector* kernel = stackalloc TVector[Taps];
        float* lanes = (float*)kernel;
        fixed (float* source = sums)
        {
            for (int block = 0; block < OutBlocks; block++)
            {
                int count = Math.Min(TLanes.Value, Shape.OutChannels - (block * TLanes.Value));
                for (int input = 0; input < Shape.InChannels; input++)
                {
                    WinogradTraining4<TSimd, TVector>.WeightGradients(source + ((((nint)block * Shape.InChannels) + input) * TLanes.Value), ElementSums, kernel);
                    int target = ((block * TLanes.Value * Shape.InChannels) + input) * Taps;
                    for (int lane = 0; lane < count; lane++, target += Shape.InChannels * Taps)
                    {
                        for (int tap = 0; tap < Taps; tap++) gradients[target + tap] = lanes[(tap * TLanes.Value) + lane];
                    }
                }
            }
        }
    }

    private void TransformGradient(BorderedMap gradient, WinogradStrips.Strip strip)
    {
        var arguments = new WinogradPatches { PlaneStep = strip.SecondPlane, RowStep = gradient.RowStride, Count = _strips.Columns };
        for (int row = 0; row < strip.Rows; row++)
        {
            (int image, int patchRow) = strip.Place(row);
            for (int block = 0; block < OutBlocks; block++)
            {
                arguments.Pixels = gradient.Plane(image, block) + (patchRow * WinogradTraining4<TSimd, TVector>.Size * gradient.RowStride);
                arguments.Elements = strip.Second + ((((nint)block * strip.Patches) + (row * _strips.Columns)) * TLanes.Value);
                WinogradTraining4<TSimd, TVector>.OutputGradient(&arguments);
            }
        }
    }

    /// <summary>For each element, adds the product over patches of input and gradient, [output block][input channel][lane].</summary>
    private void Multiply(WinogradStrips.Strip strip, float* sums)
    {
        var rows = new WeightGradientRows { InputPitch = TLanes.Value, Pixels = strip.Patches, Rows = 1 };
        nint blockFloats = (nint)strip.Patches * TLanes.Value;
        for (int element = 0; element < _strips.Elements; element++)
        {
            for (int outBlock = 0; outBlock < OutBlocks; outBlock++)
            {
                rows.Gradient = strip.Second + (element * strip.SecondPlane) + (outBlock * blockFloats);
                for (int inBlock = 0; inBlock < InBlocks; inBlock++)
                {
                    int firstInput = inBlock * TLanes.Value;
                    rows.Input = strip.First + (element * strip.FirstPlane) + (inBlock * blockFloats);
                    rows.Sums = sums + (element * ElementSums) + ((((nint)outBlock * Shape.InChannels) + firstInput) * TLanes.Value);
                    WeightGradientTiles<TSimd, TVector>.Get(Math.Min(TLanes.Value, Shape.InChannels - firstInput))(&rows);
                }
            }
        }
    }
}
