using CoInference.Runtime.Codec;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;
using CoInference.Runtime.Splitting;

namespace CoInference.Runtime.Plans;

/// <summary>A set of plans on disk: <c>set.json</c>, one ONNX file per network and one codec file per plan whose feature crosses.</summary>
internal static class PlanSetFolder
{
    private const string SetName = "set.json";

    public static bool IsSet(string folder) => File.Exists(Path.Combine(folder, SetName));

    /// <summary>Writes a set, replacing an earlier one.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="description">The description; lengths and hashes of its files are filled in here.</param>
    /// <param name="networks">The networks, in the order of the description.</param>
    /// <param name="codecs">The codecs, in the order of the plans; null where nothing is encoded.</param>
    /// <exception cref="IOException">The folder cannot be written, or holds files that are no set's.</exception>
    public static void Write(string folder, PlanSetFile description, IReadOnlyList<Graph> networks, IReadOnlyList<FeatureCodec?> codecs)
    {
        string[] names = [SetName, .. description.Networks.Select(network => network.File.Name), .. description.Plans.Where(plan => plan.Codec is not null).Select(plan => plan.Codec!.Name)];
        AtomicFolder.Write(folder, [.. names, .. NamesIn(folder)], target =>
        {
            var written = new List<PlanSetNetwork>();
            for (int i = 0; i < networks.Count; i++)
            {
                string name = description.Networks[i].File.Name;
                AtomicFile.WriteBytes(Path.Combine(target, name), OnnxModel.Serialize(networks[i]));
                written.Add(description.Networks[i] with { File = Record(target, name) });
            }

            var plans = new List<PlanSetPlan>();
            for (int i = 0; i < codecs.Count; i++)
            {
                PlanSetPlan plan = description.Plans[i];
                codecs[i]?.Save(Path.Combine(target, plan.Codec!.Name));
                plans.Add(plan with { Codec = plan.Codec is { } file ? Record(target, file.Name) : null });
            }

            SchemaFile.Write(Path.Combine(target, SetName), description with { Networks = written, Plans = plans }, PlanSetJson.Default.PlanSetFile);
        });
    }

    /// <summary>Reads a set. Plans of one cut share their halves; all plans of a network share its tensors.</summary>
    /// <exception cref="InvalidDataException">A file is missing, damaged or does not fit the others; the message names it.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static PlanSet Read(string folder)
    {
        string path = Path.Combine(folder, SetName);
        byte[] content = SchemaFile.ReadBytes(path);
        PlanSetFile file = PlanSetFile.Parse(content, path);
        string id = ModelHash.Of(content);
        var networks = new Dictionary<string, Network>(StringComparer.Ordinal);
        foreach (PlanSetNetwork network in file.Networks) networks[network.Precision] = new Network(folder, network.File);
        return new PlanSet(id, [.. file.Plans.Select(plan =>
        {
            FeatureCodec? codec = null;
            if (plan.Codec is { } codecFile)
            {
                ReadChecked(folder, codecFile);
                codec = FeatureCodec.Load(Path.Combine(folder, codecFile.Name));
            }

            (Graph? device, Graph? edge) = networks[plan.Network].Halves(path, plan);
            try
            {
                return new PlannedBundle(plan.Name, plan.Network, plan.Accuracy, plan.PayloadBytes, Bundle.InSet(Describe(file, plan, codec), device, edge, codec, file.Preprocessing, PlanSet.PlanId(id, plan.Name)));
            }
            catch (InvalidDataException failure)
            {
                throw new InvalidDataException($"{path}: plan '{plan.Name}': {failure.Message}", failure);
            }
        })]);
    }

    private static Plan Describe(PlanSetFile file, PlanSetPlan plan, FeatureCodec? codec) => new()
    {
        ModelHash = file.ModelHash,
        Cut = plan.Cut,
        Groups = [],
        Codec = codec?.Decision,
        Predicted = new LatencyBreakdown(0, 0, 0, 0, 0),
        PayloadBytes = plan.PayloadBytes,
        ValidationAccuracy = plan.Accuracy,
        Link = new LinkSpec(double.PositiveInfinity, 0),
        InputCoding = plan.InputCoding,
        Preprocessing = file.Preprocessing,
    };

    private static byte[] ReadChecked(string folder, BundleFile file)
    {
        // A name with a path in it would read, and later replace, files elsewhere.
        if (file.Name != Path.GetFileName(file.Name) || file.Name is "" or "." or "..") throw new InvalidDataException($"{Path.Combine(folder, SetName)}: '{file.Name}' is no name of a file in the folder.");
        return BundleFolder.ReadChecked(folder, file, SetName);
    }

    private static BundleFile Record(string folder, string name)
    {
        byte[] content = SchemaFile.ReadBytes(Path.Combine(folder, name));
        return new BundleFile(name, content.Length, ModelHash.Of(content));
    }

    /// <summary>The files of the set that a folder holds already; none when it holds no sound one.</summary>
    private static IEnumerable<string> NamesIn(string folder)
    {
        if (!IsSet(folder)) return [];
        try
        {
            string path = Path.Combine(folder, SetName);
            PlanSetFile file = PlanSetFile.Parse(SchemaFile.ReadBytes(path), path);
            return [.. file.Networks.Select(network => network.File.Name), .. file.Plans.Where(plan => plan.Codec is not null).Select(plan => plan.Codec!.Name)];
        }
        catch (InvalidDataException)
        {
            return [];
        }
    }

    /// <summary>A network, read once, and the halves at the cuts that were asked for.</summary>
    private sealed class Network
    {
        private readonly Graph _graph;
        private readonly IReadOnlyList<Cut> _cuts;
        private readonly Dictionary<string, (Graph? Device, Graph? Edge)> _halves = new(StringComparer.Ordinal);

        public Network(string folder, BundleFile file)
        {
            try
            {
                _graph = OnnxModel.Parse(ReadChecked(folder, file));
                _cuts = CutFinder.FindAll(_graph);
            }
            catch (NotSupportedException failure)
            {
                throw new InvalidDataException($"Plan set '{folder}': {file.Name}: {failure.Message}", failure);
            }
        }

        public (Graph? Device, Graph? Edge) Halves(string path, PlanSetPlan plan)
        {
            if (_halves.TryGetValue(plan.Cut, out (Graph?, Graph?) known)) return known;
            Cut cut = _cuts.FirstOrDefault(candidate => candidate.Value == plan.Cut)
                ?? throw new InvalidDataException($"{path}: plan '{plan.Name}' cuts at '{plan.Cut}', which is not a legal cut of the network.");
            return _halves[plan.Cut] = cut.Kind switch
            {
                CutKind.Output => (_graph, null),
                CutKind.Input => (null, _graph),
                _ => GraphSplitter.Split(_graph, cut),
            };
        }
    }
}
