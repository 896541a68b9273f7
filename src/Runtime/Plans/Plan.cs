using System.Text.Json.Serialization;
using CoInference.Kernels.Registry;
using CoInference.Runtime.Data;

namespace CoInference.Runtime.Plans;

/// <summary>The decision: where to cut, how sparse each group is, how the feature is compressed, and what it should cost.</summary>
public sealed record Plan
{
    /// <summary>Schema name of the plan file.</summary>
    public const string SchemaName = "coinference.plan/1";

    /// <summary>Always <see cref="SchemaName"/>.</summary>
    public string Schema { get; init; } = SchemaName;

    /// <summary>SHA-256 of the model file the plan was made for, lower-case hex.</summary>
    public required string ModelHash { get; init; }

    /// <summary>Name of the value that crosses from device to edge; the graph's input for edge-only, its output for device-only.</summary>
    public required string Cut { get; init; }

    /// <summary>One entry per prunable group of the device half, in graph order.</summary>
    public required IReadOnlyList<GroupDecision> Groups { get; init; }

    /// <summary>
    /// Feature compression; null when nothing crosses (device-only), or when an image crosses as
    /// <see cref="InputCoding"/> says (edge-only). A plan whose feature crosses as plain floats has a codec of 32 bits.
    /// </summary>
    public required CodecDecision? Codec { get; init; }

    /// <summary>Predicted time by part.</summary>
    public required LatencyBreakdown Predicted { get; init; }

    /// <summary>Predicted mean payload in bytes, frame header included; 0 when nothing crosses.</summary>
    public required double PayloadBytes { get; init; }

    /// <summary>Accuracy on the search-validation split, 0 to 1.</summary>
    public required double ValidationAccuracy { get; init; }

    /// <summary>Link the plan was made for.</summary>
    public required LinkSpec Link { get; init; }

    /// <summary>Factor by which the device was emulated slower than the measuring host; 1 when not emulated.</summary>
    public double Slowdown { get; init; } = 1;

    /// <summary>Budget in milliseconds the search was given.</summary>
    public double BudgetMs { get; init; }

    /// <summary>SHA-256 of the latency table that priced the plan, lower-case hex; empty when none did.</summary>
    public string LatencyTableHash { get; init; } = "";

    /// <summary>Seed of the search.</summary>
    public int Seed { get; init; }

    /// <summary>Decider that found the plan, e.g. <c>ddpg</c>.</summary>
    public string Decider { get; init; } = "";

    /// <summary>How an image crosses when the cut is the network's input and <see cref="Codec"/> is null.</summary>
    public InputCoding InputCoding { get; init; }

    /// <summary>Quality of <see cref="InputCoding.Jpeg"/>, 1 to 100; unused otherwise.</summary>
    public int JpegQuality { get; init; } = 75;

    /// <summary>How pixels become network input; null when the plan leaves it to whoever compiles it.</summary>
    public Preprocessing? Preprocessing { get; init; }

    /// <summary>What the compiled bundle holds; null in a plan that was not compiled yet.</summary>
    public BundleManifest? Bundle { get; init; }
}

/// <summary>Sparsity of one group of tied layers.</summary>
/// <param name="Group">Name of the group: that of its first layer.</param>
/// <param name="Form">How the sparsity is realised; <see cref="WeightForm.Dense"/> means that channels are removed.</param>
/// <param name="Sparsity">Realised share of removed channels, blocks or weights, 0 to 1.</param>
/// <param name="KeptChannels">Output channels left; 0 removes the branch of a residual sum that they belong to.</param>
/// <param name="Channels">Output channels of the original layer.</param>
public sealed record GroupDecision(
    string Group, [property: JsonConverter(typeof(WeightFormConverter))] WeightForm Form, double Sparsity, int KeptChannels, int Channels);

/// <summary>Compression of the feature.</summary>
/// <param name="Channels">Channels that are sent.</param>
/// <param name="TotalChannels">Channels of the feature.</param>
/// <param name="Bits">Quantizer width, 1 to 8; or 32 for plain floats.</param>
/// <param name="EntropyCoded">Whether the entropy coder may replace plain packing where it wins.</param>
public sealed record CodecDecision(int Channels, int TotalChannels, int Bits, bool EntropyCoded);
