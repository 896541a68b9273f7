using System.Globalization;
using CoInference.Cli.Rendering;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Training;
using CommandLine;

namespace CoInference.Cli.Verbs;

/// <summary>Writes a well-known architecture with fresh weights, for measuring what does not depend on them.</summary>
[Verb("create", HelpText = "Write a well-known architecture with fresh, untrained weights as ONNX.")]
internal sealed class CreateVerb : Verb
{
    /// <summary>Architecture.</summary>
    [Value(0, MetaName = "ARCH", Required = true, HelpText = TrainVerb.ArchitectureHelp)]
    public string Architecture { get; set; } = "";

    /// <summary>Shape of an image.</summary>
    [Option("input", Default = "3x32x32", MetaValue = "CxHxW", HelpText = "Shape of one image.")]
    public string Input { get; set; } = "3x32x32";

    /// <summary>Classes.</summary>
    [Option("classes", Default = 10, MetaValue = "N", HelpText = "Classes.")]
    public int Classes { get; set; } = 10;

    /// <summary>Seed of the weights.</summary>
    [Option("seed", Default = 0, MetaValue = "N", HelpText = "Seed of the weights.")]
    public int Seed { get; set; }

    /// <summary>ONNX file.</summary>
    [Option("out", Required = true, MetaValue = "FILE", HelpText = "ONNX file to write.")]
    public string Out { get; set; } = "";

    /// <inheritdoc/>
    public override Task<int> RunAsync(Terminal terminal, CancellationToken cancellation)
    {
        if (!Architectures.Names.Contains(Architecture)) throw new UsageException($"Architecture '{Architecture}' is unknown; expected {string.Join(", ", Architectures.Names)}.");
        if (Classes < 1) throw new UsageException($"--classes {Classes}: expected at least 1.");
        string[] sizes = Input.Split('x');
        var shape = new int[sizes.Length];
        for (int i = 0; i < sizes.Length; i++)
        {
            if (sizes.Length != 3 || !int.TryParse(sizes[i], NumberStyles.None, CultureInfo.InvariantCulture, out shape[i]) || shape[i] < 1)
                throw new UsageException($"--input {Input}: expected channels x height x width, e.g. 3x224x224.");
        }

        Graph graph = Architectures.Create(Architecture, new ArchitectureInput(shape[0], shape[1], shape[2], Classes, (ulong)Seed));
        cancellation.ThrowIfCancellationRequested();
        OnnxModel.Save(graph, Out);
        terminal.Message($"{Out}: {Architecture} for {Input}, {Classes} classes, untrained");
        return Task.FromResult(ExitCode.Done);
    }
}
