using System.Diagnostics;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Simd.Quantized;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>One kernel of a layer of random 8-bit integers, ready to be timed and checked.</summary>
internal abstract class IntegerLayerRun(RandomIntegerLayer layer, string kernel) : IDisposable
{
    /// <summary>Kernel name.</summary>
    public string Kernel { get; } = kernel;

    /// <summary>The layer.</summary>
    protected RandomIntegerLayer Layer { get; } = layer;

    /// <summary>Runs the layer a number of times.</summary>
    /// <returns>Microseconds of one run, by the clock of what runs it.</returns>
    public abstract double Sample(int runs);

    /// <summary>Runs once and counts the sums that differ from the reference.</summary>
    /// <param name="expected">One array for each of <see cref="RandomIntegerLayer.CheckedImages"/>.</param>
    public int WrongSums(IReadOnlyList<int[]> expected)
    {
        ReadOnlySpan<int> sums = Compute();
        int wrong = 0;
        for (int i = 0; i < expected.Count; i++)
        {
            ReadOnlySpan<int> actual = sums.Slice(Layer.CheckedImages[i] * Layer.OutputsPerImage, Layer.OutputsPerImage);
            for (int k = 0; k < actual.Length; k++)
            {
                if (actual[k] != expected[i][k]) wrong++;
            }
        }

        return wrong;
    }

    /// <summary>Frees device memory.</summary>
    public virtual void Dispose()
    {
    }

    /// <summary>Runs once and gives the sums.</summary>
    protected abstract ReadOnlySpan<int> Compute();
}

/// <summary>A kernel of the CPU.</summary>
internal sealed unsafe class CpuIntegerLayerRun(RandomIntegerLayer layer, IntegerConv kernel, WorkerSet workers) : IntegerLayerRun(layer, kernel.Name), IParallelWork
{
    private readonly Tensor _sums = new(ElementType.Int32, new TensorShape(layer.Shape.Batch, layer.Shape.OutChannels, layer.Shape.OutHeight, layer.Shape.OutWidth));
    private readonly AlignedBuffer _scratch = new(Math.Max(64, kernel.ScratchBytes));
    private readonly int _parts = Math.Min(kernel.Units, workers.Threads);

    public override double Sample(int runs)
    {
        long started = Stopwatch.GetTimestamp();
        for (int i = 0; i < runs; i++)
        {
            if (_parts == 1) ((IParallelWork)this).Execute(0);
            else workers.Run(this, _parts);
        }

        return Stopwatch.GetElapsedTime(started).TotalMicroseconds / runs;
    }

    void IParallelWork.Execute(int part) => kernel.Run(
        Layer.InputTensor.Pointer, Layer.IsSigned, Layer.ZeroPoint, (int*)_sums.Pointer, storesFloats: false, _scratch.Pointer,
        (int)((long)kernel.Units * part / _parts), (int)((long)kernel.Units * (part + 1) / _parts));

    protected override ReadOnlySpan<int> Compute()
    {
        Sample(1);
        return _sums.Values<int>();
    }
}
