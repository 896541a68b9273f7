using CoInference.Kernels.Devices;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>One candidate kernel of a layer of random data, ready to be timed and checked.</summary>
internal sealed unsafe class LayerRun
{
    private readonly PreparedConv _prepared;
    private readonly double? _errorUnits;
    private readonly Tensor _input;
    private readonly Tensor? _residual;
    private readonly Tensor _output;
    private readonly Tensor _expected;
    private readonly AlignedBuffer _scratch;
    private readonly WorkerSet _workers;

    public LayerRun(RandomLayer layer, StepVariant candidate, WorkerSet workers)
    {
        _prepared = candidate.Convolution!.Kernel.Prepare(layer.Shape, layer.Epilogue, layer.Weights, layer.Bias);
        _errorUnits = candidate.Convolution.Kernel.ErrorUnits;
        _input = layer.InputIn(candidate.Inputs[0]);
        _residual = layer.Epilogue.HasResidual ? layer.ResidualIn(candidate.Outputs[0]) : null;
        _expected = layer.ExpectedIn(candidate.Outputs[0]);
        _output = new Tensor(ElementType.Float32, _expected.Shape);
        _scratch = new AlignedBuffer(Arena.Padded(_prepared.ScratchBytes(workers.Threads)));
        _workers = workers;
    }

    public void Execute()
    {
        float* residual = _residual is null ? null : (float*)_residual.Pointer;
        _prepared.Run((float*)_input.Pointer, residual, (float*)_output.Pointer, _scratch.Pointer, _workers);
        GC.KeepAlive(this);
    }

    /// <summary>Largest difference that rounding may make, as <see cref="MaxRelativeError"/> states it: the kernel's own bound, or that of summation in any order.</summary>
    public double ErrorBound(RandomLayer layer)
    {
        double unit = Math.ScaleB(1, -24), scale = layer.RoundingScale, largest = layer.LargestOutput;
        ConvShape shape = layer.Shape;
        int terms = shape.WeightCount / shape.OutChannels;
        double bound = (_errorUnits ?? 2 * (Math.Sqrt(terms) + 4)) * unit * scale;
        return largest == 0 ? bound : bound / largest;
    }

    public double MaxRelativeError()
    {
        Execute();
        double largest = 0;
        double difference = 0;
        ReadOnlySpan<float> expected = _expected.Values<float>();
        ReadOnlySpan<float> actual = _output.Values<float>();
        for (int i = 0; i < expected.Length; i++)
        {
            largest = Math.Max(largest, Math.Abs(expected[i]));
            difference = Math.Max(difference, Math.Abs(expected[i] - (double)actual[i]));
        }

        return largest == 0 ? difference : difference / largest;
    }
}
