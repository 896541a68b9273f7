using System.Runtime.InteropServices;
using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;

namespace CoInference.Runtime.Execution;

/// <summary>One kernel of a stack of random products on a device, ready to be timed and checked.</summary>
internal sealed class ProductRun : IDisposable
{
    private readonly RandomProduct _product;
    private readonly ComputeDevice _device;
    private readonly List<IDisposable> _memory = [];
    private readonly DeviceBuffer _output;
    private readonly DeviceLaunch _launch;

    /// <summary>Moves the matrices to the device and sets the kernel's arguments.</summary>
    /// <exception cref="DeviceException">The device has not enough memory, or the kernel does not compile.</exception>
    public ProductRun(RandomProduct product, ComputeDevice device, DeviceGemmKernel kernel)
    {
        (_product, _device) = (product, device);
        using Lock.Scope turn = device.Gate.EnterScope();
        try
        {
            _output = Keep(device.Allocate(sizeof(float) * product.Shape.OutputCount));
            DeviceBuffer workspace = Keep(device.Allocate(sizeof(float) * Math.Max(1, kernel.WorkspaceValues(product.Shape, device.Limits))));
            var views = new GemmViews(Uploaded(product.A), Uploaded(product.B), Uploaded(product.Bias), Uploaded(product.Residual), _output.View<float>());
            _launch = Keep(kernel.Bind(device, product.Shape, product.Epilogue, views, workspace.View<float>()));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Largest difference that rounding may make, as <see cref="MaxRelativeError"/> states it: that of summation in any order.</summary>
    public double ErrorBound
    {
        get
        {
            double bound = 2 * (Math.Sqrt(_product.Shape.Depth) + 4) * Math.ScaleB(1, -24) * _product.RoundingScale;
            return _product.LargestOutput == 0 ? bound : bound / _product.LargestOutput;
        }
    }

    /// <summary>Runs the product a number of times.</summary>
    /// <returns>Microseconds of one run, by the device's clock.</returns>
    public double Sample(int runs)
    {
        using Lock.Scope turn = _device.Gate.EnterScope();
        _device.StartTimer();
        for (int i = 0; i < runs; i++) _launch.Run();
        return _device.StopTimer() / runs;
    }

    /// <summary>Runs once; the largest difference from the reference, relative to its largest magnitude.</summary>
    public double MaxRelativeError()
    {
        int columns = _product.Shape.Columns;
        // The device's memory may hold the right results of the kernel before.
        var values = new float[_product.Shape.OutputCount];
        Array.Fill(values, float.NaN);
        using (_device.Gate.EnterScope())
        {
            _output.Write(MemoryMarshal.AsBytes(values.AsSpan()));
            _launch.Run();
            _output.Read(MemoryMarshal.AsBytes(values.AsSpan()));
        }

        double difference = 0;
        for (int i = 0; i < _product.CheckedRows.Count; i++)
        {
            for (int n = 0; n < columns; n++)
            {
                // A difference that is no number is no small one.
                double error = Math.Abs(_product.Expected[(i * columns) + n] - (double)values[((long)_product.CheckedRows[i] * columns) + n]);
                difference = double.IsNaN(error) ? double.PositiveInfinity : Math.Max(difference, error);
            }
        }

        return _product.LargestOutput == 0 ? difference : difference / _product.LargestOutput;
    }

    /// <summary>Frees device memory.</summary>
    public void Dispose()
    {
        using Lock.Scope turn = _device.Gate.EnterScope();
        for (int i = _memory.Count - 1; i >= 0; i--) _memory[i].Dispose();
        _memory.Clear();
    }

    private DeviceView<float> Uploaded(float[] values) => Keep(DeviceMemory.Upload<float>(_device, values)).View<float>();

    private T Keep<T>(T memory)
        where T : IDisposable
    {
        _memory.Add(memory);
        return memory;
    }
}
