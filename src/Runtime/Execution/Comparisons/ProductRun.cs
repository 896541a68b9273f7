using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;

namespace CoInference.Runtime.Execution;

/// <summary>One kernel of a stack of random products on a device, ready to be timed and checked.</summary>
internal sealed class ProductRun : IDisposable
{
    private readonly RandomProduct _product;
    private readonly DeviceOperands _operands;
    private readonly DeviceView<float> _output;
    private readonly DeviceLaunch _launch;

    /// <summary>Moves the matrices to the device and sets the kernel's arguments.</summary>
    /// <exception cref="DeviceException">The device has not enough memory, or the kernel does not compile.</exception>
    public ProductRun(RandomProduct product, ComputeDevice device, DeviceGemmKernel kernel)
    {
        _product = product;
        _operands = new DeviceOperands(device);
        using Lock.Scope turn = device.Gate.EnterScope();
        try
        {
            _output = _operands.Keep(device.Allocate(sizeof(float) * product.Shape.OutputCount)).View<float>();
            DeviceBuffer workspace = _operands.Keep(device.Allocate(sizeof(float) * Math.Max(1, kernel.WorkspaceValues(product.Shape, device.Limits))));
            var views = new GemmViews(
                _operands.Upload<float>(product.A), _operands.Upload<float>(product.B), _operands.Upload<float>(product.Bias), _operands.Upload<float>(product.Residual), _output);
            _launch = _operands.Keep(kernel.Bind(device, product.Shape, product.Epilogue, views, workspace.View<float>()));
        }
        catch
        {
            _operands.Dispose();
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
    public double Sample(int runs) => _operands.Time(_launch, runs);

    /// <summary>Runs once; the largest difference from the reference, relative to its largest magnitude.</summary>
    public double MaxRelativeError()
    {
        int columns = _product.Shape.Columns;
        float[] values = _operands.Run(_launch, _output, float.NaN);
        var deviation = default(Deviation);
        for (int i = 0; i < _product.CheckedRows.Count; i++)
            deviation.Add<float>(_product.Expected.AsSpan(i * columns, columns), values.AsSpan(_product.CheckedRows[i] * columns, columns));
        return deviation.Relative;
    }

    /// <summary>Frees device memory.</summary>
    public void Dispose() => _operands.Dispose();
}
