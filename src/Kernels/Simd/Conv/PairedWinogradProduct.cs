using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Simd.Vectors;
using CoInference.Kernels.Tensors;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>
/// Winograd products of layers with few channels: blocks of 8 channels in vectors of 16 lanes. A vector of weights holds two
/// input channels, lane 2k + s channel s for output k, and is multiplied by a pair of inputs that one load repeats over the
/// vector. A sum over four such pairs then has the two halves of output k side by side; two patches are folded into one
/// vector, which is [patch][output channel], the order of memory. The 64 weights of one element and two blocks stay in four
/// registers over all patches of a strip.
/// </summary>
internal sealed unsafe class PairedWinogradProduct : WinogradProduct, IWinogradProducts
{
    private const int Lanes = 8;
    private const int BlockWeights = Lanes * Lanes;

    /// <summary>Of one block of inputs and one of outputs, for two patches.</summary>
    private const double PairCycles = 11;

    private const double CallCycles = 12;

    private readonly int _inputBlocks;
    private readonly int _elements;
    private readonly OutputGroup[] _groups;
    private readonly AlignedBuffer _weights;

    private PairedWinogradProduct(ConvShape shape, ReadOnlySpan<double> points, ReadOnlySpan<float> weights)
    {
        _inputBlocks = Blocks(shape.InChannels);
        _elements = (points.Length + 1) * (points.Length + 1);
        _groups = new OutputGroup[Blocks(shape.OutChannels)];
        for (int block = 0; block < _groups.Length; block++) _groups[block] = new OutputGroup(block, 1);
        _weights = PackWeights(shape, points, weights);
    }

    /// <inheritdoc/>
    public static VectorWidth Width => VectorWidth.Vector512;

    /// <inheritdoc/>
    public static string Suffix => "v512.c8";

    /// <inheritdoc/>
    public static string Tile => $"4x{Lanes}";

    /// <inheritdoc/>
    public override long WeightBytes => _weights.Length;

    /// <inheritdoc/>
    public override IReadOnlyList<OutputGroup> Groups => _groups;

    private static Vector512<int> EvenLanes => Vector512.Create(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);

    private static Vector512<int> OddLanes => Vector512.Create(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);

    /// <inheritdoc/>
    public static int ChooseBlocks(ConvShape shape, int patches) => 1;

    /// <inheritdoc/>
    public static double Cycles(ConvShape shape, int patches, int tileBlocks) =>
        Blocks(shape.InChannels) * Blocks(shape.OutChannels) * ((PairCycles * patches / 2) + CallCycles);

    /// <inheritdoc/>
    public static WinogradProduct Create(ConvShape shape, int tileBlocks, ReadOnlySpan<double> points, ReadOnlySpan<float> weights) =>
        new PairedWinogradProduct(shape, points, weights);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(float* input, nint inputPlane, float* output, nint outputPlane, int patches, int firstGroup, int endGroup)
    {
        nint blockFloats = (nint)patches * Lanes;
        for (int element = 0; element < _elements; element++, input += inputPlane, output += outputPlane)
        {
            float* weights = (float*)_weights.Pointer + ((((nint)element * _groups.Length) + firstGroup) * _inputBlocks * BlockWeights);
            float* block = output;
            for (int group = firstGroup; group < endGroup; group++, block += blockFloats)
            {
                Multiply<N0>(input, weights, block, patches);
                weights += BlockWeights;
                for (int inputBlock = 1; inputBlock < _inputBlocks; inputBlock++, weights += BlockWeights)
                    Multiply<N1>(input + (inputBlock * blockFloats), weights, block, patches);
            }
        }

        // The micro-kernels hold bare pointers into the packed weights.
        GC.KeepAlive(this);
    }

    private static int Blocks(int channels) => (channels + Lanes - 1) / Lanes;

    /// <summary>One block of inputs times one of outputs.</summary>
    /// <typeparam name="TAdds">1 to add to the output, 0 to replace it.</typeparam>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TAdds>(float* input, float* weights, float* output, int patches)
        where TAdds : IConstant
    {
        Vector512<float> w0 = Vector512.Load(weights), w1 = Vector512.Load(weights + 16);
        Vector512<float> w2 = Vector512.Load(weights + 32), w3 = Vector512.Load(weights + 48);
        Vector512<int> even = EvenLanes, odd = OddLanes;
        for (; patches >= 2; patches -= 2, input += 16, output += 16)
        {
            Vector512<float> sums = Fold(Sum(input, w0, w1, w2, w3), Sum(input + 8, w0, w1, w2, w3), even, odd);
            if (TAdds.Value == 1) sums += Vector512.Load(output);
            sums.Store(output);
        }

        if (patches == 0) return;
        Vector512<float> last = Sum(input, w0, w1, w2, w3);
        Vector256<float> single = Fold(last, last, even, odd).GetLower();
        if (TAdds.Value == 1) single += Vector256.Load(output);
        single.Store(output);
    }

    /// <summary>One patch: the inputs of 8 channels, two at a time, times their weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Sum(float* input, Vector512<float> w0, Vector512<float> w1, Vector512<float> w2, Vector512<float> w3)
    {
        Vector512<float> first = Vector512.FusedMultiplyAdd(RepeatPair(input + 2), w1, RepeatPair(input) * w0);
        return Vector512.FusedMultiplyAdd(RepeatPair(input + 6), w3, Vector512.FusedMultiplyAdd(RepeatPair(input + 4), w2, first));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> RepeatPair(float* pair) => Vector512.Create(*(double*)pair).AsSingle();

    /// <summary>Adds neighbouring lanes: eight sums of <paramref name="a"/>, then eight of <paramref name="b"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Fold(Vector512<float> a, Vector512<float> b, Vector512<int> even, Vector512<int> odd) =>
        Avx512F.PermuteVar16x32x2(a, even, b) + Avx512F.PermuteVar16x32x2(a, odd, b);

    private AlignedBuffer PackWeights(ConvShape shape, ReadOnlySpan<double> points, ReadOnlySpan<float> weights)
    {
        nint elementWeights = (nint)_groups.Length * _inputBlocks * BlockWeights;
        var buffer = new AlignedBuffer(_elements * (long)elementWeights * sizeof(float));
        float* target = (float*)buffer.Pointer;
        double[] matrix = WinogradWeights.Matrix(points);
        Span<float> elements = stackalloc float[_elements];
        for (int output = 0; output < shape.OutChannels; output++)
        {
            for (int channel = 0; channel < shape.InChannels; channel++)
            {
                WinogradWeights.Transform(matrix, WinogradWeights.Kernel(shape, weights, output, channel), elements);
                nint block = ((nint)(output / Lanes) * _inputBlocks) + (channel / Lanes);
                int pair = channel % Lanes / 2, lane = (2 * (output % Lanes)) + (channel % 2);
                float* to = target + (block * BlockWeights) + (pair * 2 * Lanes) + lane;
                for (int element = 0; element < elements.Length; element++) to[element * elementWeights] = elements[element];
            }
        }

        return buffer;
    }
}
