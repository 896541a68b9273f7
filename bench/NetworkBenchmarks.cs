using BenchmarkDotNet.Attributes;
using CoInference.Runtime.Execution;
using CoInference.Runtime.Onnx;

namespace CoInference.Bench;

/// <summary>Whole networks, batch 1, steady state: the network in the box and the models of the folder named by COINFERENCE_DATA.</summary>
[MemoryDiagnoser]
public class NetworkBenchmarks
{
    private Session _session = null!;
    private float[] _input = null!;
    private float[] _output = null!;

    /// <summary>File of the network.</summary>
    [ParamsSource(nameof(Networks))]
    public string Network { get; set; } = "";

    /// <summary>Threads that one run may use.</summary>
    [Params(1, 2)]
    public int Threads { get; set; }

    public static IEnumerable<string> Networks
    {
        get
        {
            yield return "shapes10.onnx";
            foreach (string name in new[] { "resnet20.onnx", "resnet56.onnx", "mobilenetv2_dequant_fp32.onnx" })
            {
                if (File.Exists(PathOf(name))) yield return name;
            }
        }
    }

    [GlobalSetup]
    public void Prepare()
    {
        _session = Session.Create(OnnxModel.Load(PathOf(Network)), new SessionOptions { Threads = Threads });
        _input = new float[_session.Inputs[0].Shape!.Value.Count];
        _output = new float[_session.Outputs[0].Shape!.Value.Count];
        var random = new Random(1);
        for (int i = 0; i < _input.Length; i++) _input[i] = random.NextSingle() - 0.5f;
    }

    [GlobalCleanup]
    public void Release() => _session.Dispose();

    [Benchmark]
    public void Run() => _session.Run(_input, _output);

    private static string PathOf(string name) => name == "shapes10.onnx"
        ? Path.Combine(AppContext.BaseDirectory, name)
        : Path.Combine(Environment.GetEnvironmentVariable("COINFERENCE_DATA") ?? "", "models", name);
}
