using CoInference.Runtime.Data;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Targets;

namespace CoInference.Runtime.Tests.Targets;

public class TargetTableTests
{
    [Fact]
    public void Slowdown_is_linear_between_measured_levels()
    {
        var curve = new Interference(1, "f32", Interference.Processor, [0, 0.5, 1], [1, 1.5, 3]);
        Assert.Equal([1, 1.25, 1.5, 2.25, 3, 3], ((double[])[0, 0.25, 0.5, 0.75, 1, 2]).Select(curve.At));
    }

    /// <summary>The network in the box, recorded quickly: what is asserted does not depend on how fast the machine is.</summary>
    [Fact]
    public void A_recorded_table_has_every_kind_of_target_and_survives_the_file()
    {
        Graph graph = OnnxModel.Load(Path.Combine(TestData.RepositoryRoot, "src", "Cli", "Assets", "shapes10.onnx"));
        DataSource data = DataSpec.Parse("shapes10");
        var options = new TargetRecorderOptions { Preprocessing = Preprocessing.Parse(graph.Metadata[Preprocessing.MetadataKey]), Bits = [8, 1], Threads = [1], Loads = [0, 1], MaxMilliseconds = 5 };
        TargetTable table = TargetRecorder.Record(graph, "shapes10", data.Load(Split.Test, 60), data.Load(Split.Train, 16), options);
        TargetTimes device = table.Targets.First(row => row.Target.Placement == TargetPlacement.Device);
        TargetTimes[] cuts = [.. table.Targets.Where(row => row.Target.Placement == TargetPlacement.Split)];
        Assert.Equal(["edge.raw", "edge.png"], table.Targets.Where(row => row.Target.Placement == TargetPlacement.Edge).Select(row => row.Target.Name));
        Assert.True(device.DeviceMs > 0 && device.Target.PayloadBytes == 0);
        Assert.All(cuts, row => Assert.True(row.DeviceMs > 0 && row.EncodeMs > 0 && row.DecodeMs > 0 && row.Target.PayloadBytes > 40));
        foreach (IGrouping<string, TargetTimes> cut in cuts.GroupBy(row => row.Target.Cut))
            Assert.True(cut.First(row => row.Target.Coding.StartsWith('1')).Target.PayloadBytes < cut.First(row => row.Target.Coding.StartsWith('8')).Target.PayloadBytes);
        Assert.Equal(cuts.Select(row => row.Work.ConvolutionMultiplyAdds).OrderDescending(), cuts.Select(row => row.Work.ConvolutionMultiplyAdds));
        Assert.Equal("labels", table.AccuracyOf);
        Assert.Equal(2, table.Interferences.Count);

        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            table.Save(path);
            Assert.Equal(table.Serialize(), TargetTable.Load(path).Serialize());
            File.WriteAllText(path, File.ReadAllText(path).Replace("\"name\": \"edge.png\"", "\"name\": \"edge.raw\""));
            Assert.Contains("edge.raw", Assert.Throws<InvalidDataException>(() => TargetTable.Load(path)).Message);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
