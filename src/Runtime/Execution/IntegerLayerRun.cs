using System.Diagnostics;
using System.Runtime.InteropServices;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;
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

/// <summary>A kernel of a device.</summary>
internal sealed class DeviceIntegerLayerRun : IntegerLayerRun
{
    // The device's memory may hold the right results of the kernel before.
    private const byte Unwritten = 0xA5;
    private readonly ComputeDevice _device;
    private readonly List<IDisposable> _memory = [];
    private readonly DeviceBuffer _input;
    private readonly DeviceBuffer _output;
    private readonly DeviceIntegerConv _conv;
    private readonly DeviceLaunch _launch;
    private readonly int _count;

    /// <summary>Packs the layer.</summary>
    /// <exception cref="DeviceException">The device has not enough memory.</exception>
    public DeviceIntegerLayerRun(RandomIntegerLayer layer, ComputeDevice device, DeviceIntegerConvKernel kernel)
        : base(layer, kernel.Name)
    {
        _device = device;
        _count = layer.Shape.Batch * layer.OutputsPerImage;
        using Lock.Scope turn = device.Gate.EnterScope();
        try
        {
            _conv = Keep(kernel.Prepare(device, layer.Shape, layer.Weights, layer.Bias, layer.IsSigned, layer.ZeroPoint));
            _input = Keep(DeviceMemory.Upload(device, layer.Input));
            _output = Keep(device.Allocate((long)sizeof(int) * _count));
            _launch = Keep(_conv.Bind(_input.View<byte>(), _output.View<int>()));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override double Sample(int runs)
    {
        using Lock.Scope turn = _device.Gate.EnterScope();
        _device.StartTimer();
        for (int i = 0; i < runs; i++) _launch.Run();
        return _device.StopTimer() / runs;
    }

    /// <summary>Runs once with requantization and counts the bytes that differ from the reference.</summary>
    /// <param name="zeroPoint">Zero point of the output.</param>
    /// <param name="isSigned">Whether the output is signed.</param>
    public int WrongBytes(int zeroPoint, bool isSigned)
    {
        var bytes = new byte[_count];
        Array.Fill(bytes, Unwritten);
        using (_device.Gate.EnterScope())
        {
            using DeviceBuffer scales = DeviceMemory.Upload<float>(_device, Layer.Scales);
            using DeviceLaunch launch = _conv.Bind(_input.View<byte>(), scales.View<float>(), zeroPoint, isSigned, _output.View<byte>(0, _count));
            _output.Write(bytes);
            launch.Run();
            _output.Read(bytes);
        }

        int wrong = 0;
        foreach (int image in Layer.CheckedImages)
        {
            byte[] expected = Layer.ExpectedBytes(image, zeroPoint, isSigned);
            for (int i = 0; i < expected.Length; i++)
            {
                if (bytes[(image * expected.Length) + i] != expected[i]) wrong++;
            }
        }

        return wrong;
    }

    public override void Dispose()
    {
        using Lock.Scope turn = _device.Gate.EnterScope();
        for (int i = _memory.Count - 1; i >= 0; i--) _memory[i].Dispose();
        _memory.Clear();
        base.Dispose();
    }

    protected override ReadOnlySpan<int> Compute()
    {
        var sums = new int[_count];
        Span<byte> bytes = MemoryMarshal.AsBytes(sums.AsSpan());
        bytes.Fill(Unwritten);
        using Lock.Scope turn = _device.Gate.EnterScope();
        _output.Write(bytes);
        _launch.Run();
        _output.Read(bytes);
        return sums;
    }

    private T Keep<T>(T memory)
        where T : IDisposable
    {
        _memory.Add(memory);
        return memory;
    }
}
