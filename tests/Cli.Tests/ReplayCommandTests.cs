using System.Text.Json;

namespace CoInference.Cli.Tests;

/// <summary>Recording a network and replaying it, as a user does.</summary>
public class ReplayCommandTests
{
    private static readonly string Recorded = Path.Combine(TestData.RepositoryRoot, "bench", "experiments", "Online", "recorded", "resnet20.json");

    [Fact]
    public void A_recorded_network_replays_to_a_table_a_report_and_a_page()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            string page = Path.Combine(folder, "replay.html"), json = Path.Combine(folder, "replay.json"), energy = Path.Combine(folder, "energy.json");
            (int code, string output, string error) = CommandProcess.Run(
                "replay", Recorded, "--scenario", "mixed", "--requests", "300", "--seeds", "2", "--decider", "autoscale,ans,device,oracle",
                "--min-accuracy", "0.75", "--html", page, "--json", json, "--write-energy", energy, "--quiet");
            Assert.Equal((0, ""), (code, error));
            Assert.Contains("modelled", output, StringComparison.Ordinal);
            using JsonDocument report = JsonDocument.Parse(File.ReadAllBytes(json));
            Assert.Equal("coinference.replay/1", report.RootElement.GetProperty("schema").GetString());
            Assert.Equal(300, report.RootElement.GetProperty("deciders")[0].GetProperty("points").GetArrayLength());
            string html = File.ReadAllText(page);
            foreach (string heading in new[] { "Decisions over time", "Energy", "Latency against QoS", "Regret" }) Assert.Contains($"<h2>{heading}</h2>", html, StringComparison.Ordinal);
            Assert.DoesNotContain("<script", html, StringComparison.Ordinal);

            // The same again with the written energy model gives the same bytes.
            string again = Path.Combine(folder, "again.json");
            Assert.Equal(0, CommandProcess.Run("replay", Recorded, "--scenario", "mixed", "--requests", "300", "--seeds", "2", "--decider", "autoscale,ans,device,oracle",
                "--min-accuracy", "0.75", "--energy", energy, "--json", again, "--quiet").Code);
            Assert.Equal(File.ReadAllText(json), File.ReadAllText(again));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData(2, "--decider", "magic")]
    [InlineData(2, "--qos", "soon")]
    [InlineData(2, "--seeds", "0")]
    [InlineData(2, "--slowdown", "0.5")]
    [InlineData(1, "--scenario", "storm")]
    [InlineData(1, "--decider", "static:nowhere")]
    [InlineData(1, "--min-accuracy", "1")]
    [InlineData(1, "--trace", "nowhere.up")]
    public void A_wrong_option_is_one_line_that_names_it(int expected, string option, string value)
    {
        (int code, string output, string error) = CommandProcess.Run("replay", Recorded, option, value);
        Assert.Equal((expected, ""), (code, output));
        Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(value.Replace("static:", "", StringComparison.Ordinal), error, StringComparison.Ordinal);
    }
}
