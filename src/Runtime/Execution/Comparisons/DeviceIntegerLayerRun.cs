using CoInference.Kernels.Gpu;
using CoInference.Kernels.Gpu.Layers;

namespace CoInference.Runtime.Execution;

/// <summary>A kernel of a device for a layer of 8-bit integers.</summary>
internal sealed class DeviceIntegerLayerRun : IntegerLayerRun
{
    private const byte UnwrittenByte = 0xA5;
    private const int UnwrittenSum = unchecked((int)0xA5A5A5A5);
    private readonly ComputeDevice _device;
    private readonly DeviceOperands _operands;
    private readonly DeviceView<byte> _input;
    private readonly DeviceView<byte> _zeroPoint;
    private readonly DeviceView<int> _output;
    private readonly DeviceIntegerConv _conv;
    private readonly DeviceLaunch _launch;

    /// <summary>Packs the layer.</summary>
    /// <exception cref="DeviceException">The device has not enough memory.</exception>
    public DeviceIntegerLayerRun(RandomIntegerLayer layer, ComputeDevice device, DeviceIntegerConvKernel kernel)
        : base(layer, kernel.Name)
    {
        _device = device;
        _operands = new DeviceOperands(device);
        using Lock.Scope turn = device.Gate.EnterScope();
        try
        {
            _conv = _operands.Keep(kernel.Prepare(device, layer.Shape, layer.Weights, layer.Bias, layer.IsSigned));
            _input = _operands.Upload(layer.Input);
            _zeroPoint = _operands.Upload<byte>([(byte)layer.ZeroPoint]);
            _output = _operands.Keep(device.Allocate((long)sizeof(int) * layer.Shape.Batch * layer.OutputsPerImage)).View<int>();
            _launch = _operands.Keep(_conv.Bind(_input, _zeroPoint, IntegerConvOutput.Sums(_output)));
        }
        catch
        {
            _operands.Dispose();
            throw;
        }
    }

    public override double Sample(int runs) => _operands.Time(_launch, runs);

    /// <summary>Runs once with requantization and counts the bytes that differ from the reference.</summary>
    /// <param name="zeroPoint">Zero point of the output.</param>
    /// <param name="isSigned">Whether the output is signed.</param>
    public int WrongBytes(int zeroPoint, bool isSigned)
    {
        byte[] bytes;
        using (var operands = new DeviceOperands(_device))
        using (_device.Gate.EnterScope())
        {
            DeviceView<byte> output = _output.As<byte>(_output.Length);
            DeviceLaunch launch = operands.Keep(_conv.Bind(_input, _zeroPoint, IntegerConvOutput.Requantized(output, operands.Upload<float>(Layer.Scales), zeroPoint, isSigned)));
            bytes = operands.Run(launch, output, UnwrittenByte);
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
        _operands.Dispose();
        base.Dispose();
    }

    protected override ReadOnlySpan<int> Compute() => _operands.Run(_launch, _output, UnwrittenSum);
}
