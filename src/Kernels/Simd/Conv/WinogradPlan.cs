using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;

namespace CoInference.Kernels.Simd.Conv;

/// <summary>How a Winograd convolution is cut into strips of patches, and what it costs.</summary>
/// <param name="Size">Rows and columns of outputs of a patch, m.</param>
/// <param name="Rows">Rows of patches of one image.</param>
/// <param name="Columns">Columns of patches of one image.</param>
/// <param name="Patches">Patches of the whole batch.</param>
/// <param name="StripPatches">Most patches of a strip.</param>
/// <param name="TileBlocks">Output channel blocks of a register tile.</param>
/// <param name="Cycles">Modelled cycles on one thread.</param>
internal sealed record WinogradPlan(int Size, int Rows, int Columns, int Patches, int StripPatches, int TileBlocks, double Cycles)
{
    /// <summary>The transformed input and output of a strip stay in the second-level cache beside a stream of weights.</summary>
    private const long StripBytes = 512 * 1024;

    /// <summary>A strip shorter than this reads weights faster than they come from beyond the second-level cache.</summary>
    private const int StreamingPatches = 28;

    private const double SecondLevelBytes = 640 * 1024;
    private const double WeightBytesPerCycle = 12;

    /// <summary>Transforms store as much as they compute, and the widest stores leave at half the rate of narrower ones.</summary>
    private const double WideStoreFactor = 1.3;

    /// <summary>Plans one layer.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="lanes">Channels per block.</param>
    public static WinogradPlan Create<TVector, TTransform, TProducts>(ConvShape shape, int lanes)
        where TVector : unmanaged
        where TTransform : IWinogradTransform<TVector>
        where TProducts : IWinogradProducts
    {
        int size = TTransform.OutputSize, elements = (size + 2) * (size + 2);
        int rows = (shape.OutHeight + size - 1) / size, columns = (shape.OutWidth + size - 1) / size;
        int patches = shape.Batch * rows * columns;
        int inputBlocks = (shape.InChannels + lanes - 1) / lanes, outputBlocks = (shape.OutChannels + lanes - 1) / lanes;
        long patchBytes = (long)elements * (inputBlocks + outputBlocks) * lanes * sizeof(float);
        double weightBytes = (double)elements * shape.InChannels * outputBlocks * lanes * sizeof(float);
        int most = (int)Math.Max(StripBytes / patchBytes, weightBytes > SecondLevelBytes ? StreamingPatches : 1);
        TilePlan.Split strips = TilePlan.Balance(patches, Math.Min(most, patches));
        int stripCount = strips.Big + strips.Small;

        int tileBlocks = TProducts.ChooseBlocks(shape, strips.Size);
        double products = elements * stripCount * TProducts.Cycles(shape, strips.Size, tileBlocks);
        double transforms = patches * (inputBlocks + outputBlocks) * TTransform.PatchCycles / 2 * (TProducts.Width == VectorWidth.Vector512 ? WideStoreFactor : 1);
        double memory = weightBytes > SecondLevelBytes ? stripCount * weightBytes / WeightBytesPerCycle : 0;
        double activations = DirectConvCost.ActivationCycles(shape, lanes, lanes);
        return new WinogradPlan(size, rows, columns, patches, strips.Size, tileBlocks, products + transforms + memory + activations);
    }
}
