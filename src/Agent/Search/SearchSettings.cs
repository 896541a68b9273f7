using System.Globalization;
using CoInference.Kernels.Gpu.Layers;

namespace CoInference.Agent.Search;

/// <summary>What makes two searches the same one.</summary>
internal static class SearchSettings
{
    /// <summary>The settings of a request that must be equal for it to go on with an earlier search.</summary>
    public static Dictionary<string, string> Of(SearchRequest request)
    {
        Dictionary<string, string> settings = Plain(request);
        if (request.Precision != ProductPrecision.Float32) settings["precision"] = request.Precision.ToString();
        if (request.Bottlenecks.Count > 0) settings["bottlenecks"] = string.Join(',', request.Bottlenecks.Select(bottleneck => bottleneck.Hash[..8]));
        return settings;
    }

    private static Dictionary<string, string> Plain(SearchRequest request) => new(StringComparer.Ordinal)
    {
        ["model"] = request.ModelHash,
        ["data"] = request.Data.Spec,
        ["preprocessing"] = request.Preprocessing.Name,
        ["link"] = request.Link.ToString(),
        ["budget"] = request.Budget.ToString(),
        ["slowdown"] = request.Slowdown.ToString("R", CultureInfo.InvariantCulture),
        ["threads"] = $"{request.DeviceThreads}+{request.EdgeThreads}",
        ["devices"] = $"{request.Device?.Fingerprint ?? "cpu"}+{request.EdgeDevice?.Fingerprint ?? "cpu"}",
        ["precise"] = request.Precise ? "yes" : "no",
        ["episodes"] = request.Episodes.ToString(CultureInfo.InvariantCulture),
        ["seed"] = request.Seed.ToString(CultureInfo.InvariantCulture),
        ["decider"] = request.Decider,
        ["reward"] = request.Reward.ToString(),
        ["form"] = request.Form.ToString(),
        ["range"] = request.Range.ToString(),
        ["pruner"] = request.Pruner.ToString(),
        ["ddpg"] = request.Ddpg?.ToString() ?? "default",
        ["images"] = $"{request.CalibrationImages}+{request.JudgeImages}+{request.ValidationImages}",
    };
}
