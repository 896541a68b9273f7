using System.Runtime.CompilerServices;
using CoInference.Kernels.Gpu;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Training;

// Runs a network on a device and on the CPU and compares: NativeAot DEVICE [MODEL.onnx]. Without a model: ResNet-20 of random weights.
// Exit code 0 when the outputs agree.
const double Tolerance = 1e-4;
if (args.Length is < 1 or > 2)
{
    Console.Error.WriteLine("usage: NativeAot DEVICE [MODEL.onnx]");
    return 2;
}

Graph graph = args.Length == 2 ? OnnxModel.Load(args[1]) : Architectures.Create("resnet20", new ArchitectureInput(3, 32, 32, 10, 1));
using ComputeDevice device = ComputeDevices.Open(args[0]);
using Session onDevice = Session.Create(graph, new SessionOptions { Device = device, Strict = true });
using Session onCpu = Session.Create(graph);
var input = new float[onCpu.Inputs[0].Shape!.Value.Count];
var random = new Random(7);
for (int i = 0; i < input.Length; i++) input[i] = (float)((random.NextDouble() * 2) - 1);
float[] actual = Output(onDevice, input), expected = Output(onCpu, input);
double scale = expected.Max(Math.Abs), error = actual.Zip(expected, (a, e) => Math.Abs(a - e)).Max() / scale;
Console.WriteLine($"{device.Description.Id} {device.Description.Name}: {onDevice.Steps.Count} steps, {actual.Length} outputs, largest error {error:0.0e0}; compiled at run time: {RuntimeFeature.IsDynamicCodeCompiled}");
return error <= Tolerance ? 0 : 1;

static float[] Output(Session session, float[] input)
{
    var output = new float[session.Outputs[0].Shape!.Value.Count];
    session.Run(input, output);
    return output;
}
