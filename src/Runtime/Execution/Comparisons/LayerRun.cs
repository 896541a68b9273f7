using System.Diagnostics;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>One candidate kernel of a layer of random data, ready to be timed and checked.</summary>
internal abstract class LayerRun : IDisposable
{
    /// <summary>The kernel's stated error in the units of <see cref="ConvKernel.ErrorUnits"/>; null when it sums products.</summary>
    protected abstract double? ErrorUnits { get; }

    /// <summary>Largest relative error of a factor that is rounded and not so in the reference; 0 when none is.</summary>
    protected virtual double FactorRoundoff => 0;

    /// <summary>What is run.</summary>
    protected abstract RandomLayer Layer { get; }

    /// <summary>Multiply-adds that a run really does; null on a device.</summary>
    public virtual long? MultiplyAdds => null;

    /// <summary>What the output should be, in the layout of the output.</summary>
    protected abstract ReadOnlySpan<float> Expected { get; }

    /// <summary>Packs the layer for a candidate.</summary>
    /// <exception cref="DeviceException">The device has not enough memory.</exception>
    public static LayerRun Create(RandomLayer layer, StepVariant candidate, WorkerSet workers) =>
        candidate.Device is { } device ? new DeviceLayerRun(layer, device) : new CpuLayerRun(layer, candidate, workers);

    /// <summary>Runs the layer a number of times.</summary>
    /// <returns>Microseconds of one run, by the clock of what runs it.</returns>
    public abstract double Sample(int runs);

    /// <summary>Largest difference that rounding may make, as <see cref="MaxRelativeError"/> states it: the kernel's own bound, or that of summation in any order.</summary>
    public double ErrorBound()
    {
        double unit = Math.ScaleB(1, -24), scale = Layer.RoundingScale, largest = Layer.LargestOutput;
        ConvShape shape = Layer.Shape;
        int terms = shape.WeightCount / shape.OutChannels;
        double bound = (((ErrorUnits ?? 2 * (Math.Sqrt(terms) + 4)) * unit) + (2 * FactorRoundoff)) * scale;
        return largest == 0 ? bound : bound / largest;
    }

    /// <summary>Largest difference from the reference, relative to its largest magnitude.</summary>
    public double MaxRelativeError()
    {
        ReadOnlySpan<float> expected = Expected, actual = Compute();
        int length = expected.Length / Layer.Shape.Batch;
        var deviation = default(Deviation);
        foreach (int image in Layer.CheckedImages) deviation.Add(expected.Slice(image * length, length), actual.Slice(image * length, length));
        return deviation.Relative;
    }

    /// <summary>Frees device memory.</summary>
    public virtual void Dispose()
    {
    }

    /// <summary>Runs once and gives the output.</summary>
    protected abstract ReadOnlySpan<float> Compute();

    private sealed unsafe class CpuLayerRun : LayerRun
    {
        private readonly PreparedConv _prepared;
        private readonly Tensor _input;
        private readonly Tensor? _residual;
        private readonly Tensor _output;
        private readonly Tensor _expected;
        private readonly AlignedBuffer _scratch;
        private readonly WorkerSet _workers;

        public CpuLayerRun(RandomLayer layer, StepVariant candidate, WorkerSet workers)
        {
            _prepared = candidate.Convolution!.Kernel.Prepare(layer.Shape, layer.Epilogue, layer.Weights, layer.Bias);
            Layer = layer;
            ErrorUnits = candidate.Convolution.Kernel.ErrorUnits;
            _input = layer.InputIn(candidate.Inputs[0]);
            _residual = layer.Epilogue.HasResidual ? layer.ResidualIn(candidate.Outputs[0]) : null;
            _expected = layer.ExpectedIn(candidate.Outputs[0]);
            _output = new Tensor(ElementType.Float32, _expected.Shape);
            _scratch = new AlignedBuffer(Arena.Padded(_prepared.ScratchBytes(workers.Threads)));
            _workers = workers;
        }

        protected override double? ErrorUnits { get; }

        protected override RandomLayer Layer { get; }

        protected override ReadOnlySpan<float> Expected => _expected.Values<float>();

        public override long? MultiplyAdds => _prepared.MultiplyAdds;

        public override double Sample(int runs)
        {
            float* residual = _residual is null ? null : (float*)_residual.Pointer;
            long started = Stopwatch.GetTimestamp();
            for (int i = 0; i < runs; i++) _prepared.Run((float*)_input.Pointer, residual, (float*)_output.Pointer, _scratch.Pointer, _workers);
            double time = Stopwatch.GetElapsedTime(started).TotalMicroseconds / runs;
            GC.KeepAlive(this);
            return time;
        }

        protected override ReadOnlySpan<float> Compute()
        {
            Sample(1);
            return _output.Values<float>();
        }
    }

    private sealed class DeviceLayerRun : LayerRun
    {
        private readonly DeviceOperands _operands;
        private readonly DeviceView<float> _output;
        private readonly DeviceLaunch _launch;
        private readonly DeviceConvKernel _kernel;

        public DeviceLayerRun(RandomLayer layer, DeviceCandidate candidate)
        {
            (Layer, _kernel) = (layer, candidate.Kernel!);
            ComputeDevice device = candidate.Device;
            _operands = new DeviceOperands(device);
            using Lock.Scope turn = device.Gate.EnterScope();
            try
            {
                DeviceConvLayer weights = _operands.Keep(_kernel.Prepare(device, layer.Shape, layer.Epilogue, layer.Weights, layer.Bias));
                DeviceView<float> input = _operands.Upload<float>(layer.Input.Values<float>());
                DeviceView<float> residual = layer.Epilogue.HasResidual ? _operands.Upload<float>(layer.Residual.Values<float>()) : default;
                _output = _operands.Keep(device.Allocate(layer.Expected.Bytes.Length)).View<float>();
                _launch = _operands.Keep(weights.Bind(input, residual, _output));
            }
            catch
            {
                _operands.Dispose();
                throw;
            }
        }

        protected override double? ErrorUnits => _kernel.ErrorUnits;

        protected override double FactorRoundoff => Layer.Rounding == _kernel.Precision ? 0 : _kernel.FactorRoundoff;

        protected override RandomLayer Layer { get; }

        protected override ReadOnlySpan<float> Expected => Layer.Expected.Values<float>();

        public override double Sample(int runs) => _operands.Time(_launch, runs);

        public override void Dispose()
        {
            _operands.Dispose();
            base.Dispose();
        }

        protected override ReadOnlySpan<float> Compute() => _operands.Run(_launch, _output, float.NaN);
    }
}
