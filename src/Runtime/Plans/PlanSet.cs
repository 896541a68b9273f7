using System.Text;
using CoInference.Kernels.Tensors;
using CoInference.Runtime.Data;

namespace CoInference.Runtime.Plans;

/// <summary>One plan of a <see cref="PlanSet"/>.</summary>
/// <param name="Name">Unique in the set, without spaces: <c>device.i8</c>, <c>edge.png</c>, <c>cut.pool.out.4bit</c>.</param>
/// <param name="Precision">Numbers of the network it runs: <c>f32</c> or <c>i8</c>.</param>
/// <param name="Accuracy">Share of right answers on images that no choice was made with, 0 to 1; NaN when it was not measured.</param>
/// <param name="PayloadBytes">Mean bytes that cross for one request, header included; 0 when nothing crosses.</param>
/// <param name="Bundle">The plan's halves and codec. Plans that run the same layers of one network have the very same graph objects.</param>
public sealed record PlannedBundle(string Name, string Precision, double Accuracy, double PayloadBytes, Bundle Bundle);

/// <summary>
/// Several plans for one task that are deployed together: a device may answer each request with another of them, and one edge
/// serves them all. The networks behind them are stored and loaded once, however many plans cut them.
/// </summary>
/// <remarks>
/// Device and edge recognise a set by <see cref="Id"/>, and the plan of a request by its bundle's <see cref="Bundle.WireId"/>. A
/// bundle of one plan is a set of its own, with the bundle's id.
/// </remarks>
public sealed class PlanSet
{
    private readonly Dictionary<ulong, int> _byWireId = [];

    internal PlanSet(string id, IReadOnlyList<PlannedBundle> plans)
    {
        Id = id;
        Plans = plans;
        for (int i = 0; i < plans.Count; i++)
        {
            Bundle bundle = plans[i].Bundle;
            if (bundle.ImageShape != ImageShape || bundle.Classes != Classes)
                throw new InvalidDataException($"Plan '{plans[i].Name}' turns images {bundle.ImageShape} into {bundle.Classes} classes, plan '{plans[0].Name}' {ImageShape} into {Classes}: a set is for one task.");
            _byWireId.Add(bundle.WireId, i);
        }
    }

    /// <summary>SHA-256 of the set's description, which holds the hashes of all its files; of a single bundle, the bundle's.</summary>
    public string Id { get; }

    /// <summary>The plans.</summary>
    public IReadOnlyList<PlannedBundle> Plans { get; }

    /// <summary>Channels, height and width of an input image; that of all plans.</summary>
    public TensorShape ImageShape => Plans[0].Bundle.ImageShape;

    /// <summary>Length of the logits; that of all plans.</summary>
    public int Classes => Plans[0].Bundle.Classes;

    /// <summary>How pixels become network input; that of all plans.</summary>
    public Preprocessing Preprocessing => Plans[0].Bundle.Preprocessing;

    /// <summary>The set of a single bundle.</summary>
    public static PlanSet Of(Bundle bundle)
    {
        ArgumentNullException.ThrowIfNull(bundle);
        return new PlanSet(bundle.Id, [new PlannedBundle("plan", "f32", double.NaN, bundle.Plan.PayloadBytes, bundle)]);
    }

    /// <summary>Reads a set, or a bundle as a set of one, and checks that it is complete, undamaged and fits together.</summary>
    /// <exception cref="InvalidDataException">A file is missing, damaged or does not fit the others; the message names it.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static PlanSet Load(string folder) => PlanSetFolder.IsSet(folder) ? PlanSetFolder.Read(folder) : Of(Bundle.Load(folder));

    /// <summary>Whether a folder holds a set of plans, and not a single bundle.</summary>
    public static bool IsSet(string folder) => PlanSetFolder.IsSet(folder);

    /// <summary>Index of the plan that frames name so; -1 when there is none.</summary>
    public int Find(ulong wireId) => _byWireId.GetValueOrDefault(wireId, -1);

    /// <summary>Index of the plan of that name; -1 when there is none.</summary>
    public int Find(string name)
    {
        for (int i = 0; i < Plans.Count; i++)
        {
            if (Plans[i].Name == name) return i;
        }

        return -1;
    }

    /// <summary>The id of a plan inside a set: that of the set, which stands for all content, and the plan's name.</summary>
    internal static string PlanId(string setId, string plan) => ModelHash.Of(Encoding.UTF8.GetBytes($"coinference plan of a set\0{setId}\0{plan}"));
}
