using CoInference.Runtime.Codec;
using CoInference.Runtime.Graphs;
using CoInference.Runtime.Onnx;

namespace CoInference.Runtime.Plans;

/// <summary>A bundle on disk: <c>plan.json</c> and, as far as the bundle has them, <c>device.onnx</c>, <c>edge.onnx</c> and <c>codec.json</c>.</summary>
internal static class BundleFolder
{
    private const string PlanName = "plan.json", DeviceName = "device.onnx", EdgeName = "edge.onnx", CodecName = "codec.json";

    private static readonly string[] PartNames = [DeviceName, EdgeName, CodecName];
    private static readonly string[] AllNames = [PlanName, .. PartNames];

    public static void Write(string folder, Bundle bundle) => AtomicFolder.Write(folder, AllNames, target =>
    {
        if (bundle.Device is { } device) AtomicFile.WriteBytes(Path.Combine(target, DeviceName), OnnxModel.Serialize(device));
        if (bundle.Edge is { } edge) AtomicFile.WriteBytes(Path.Combine(target, EdgeName), OnnxModel.Serialize(edge));
        bundle.Codec?.Save(Path.Combine(target, CodecName));
        BundleFile[] files = [.. PartNames.Where(name => File.Exists(Path.Combine(target, name))).Select(name => Record(target, name))];
        PlanFile.Write(Path.Combine(target, PlanName), bundle.Plan with { Bundle = bundle.Plan.Bundle! with { Files = files } });
    });

    public static Bundle Read(string folder)
    {
        if (!Directory.Exists(folder)) throw new InvalidDataException($"Bundle '{folder}': no such folder.");
        string planPath = Path.Combine(folder, PlanName);
        if (!File.Exists(planPath)) throw new InvalidDataException($"Bundle '{folder}': {PlanName} is missing.");
        Plan plan = PlanFile.Read(planPath);
        if (plan.Bundle is not { } manifest) throw new InvalidDataException($"{planPath}: field 'bundle' is missing; this is a plan, not a bundle. Compile it first.");

        var parts = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (BundleFile file in manifest.Files)
        {
            if (!PartNames.Contains(file.Name)) throw new InvalidDataException($"{planPath}: field 'bundle.files' lists '{file.Name}', expected {string.Join(", ", PartNames)}.");
            if (!parts.TryAdd(file.Name, ReadChecked(folder, file, PlanName))) throw new InvalidDataException($"{planPath}: field 'bundle.files' lists '{file.Name}' twice.");
        }

        foreach (string name in PartNames)
        {
            if (!parts.ContainsKey(name) && File.Exists(Path.Combine(folder, name)))
                throw new InvalidDataException($"Bundle '{folder}': {name} is not listed in {PlanName}; it belongs to another bundle.");
        }

        return Restore(folder, planPath, plan, parts);
    }

    private static Bundle Restore(string folder, string planPath, Plan plan, Dictionary<string, byte[]> parts)
    {
        Graph? device = Model(DeviceName), edge = Model(EdgeName);
        FeatureCodec? codec = parts.ContainsKey(CodecName) ? FeatureCodec.Load(Path.Combine(folder, CodecName)) : null;
        try
        {
            return Bundle.Restore(planPath, plan, device, edge, codec);
        }
        catch (InvalidDataException failure) when (!failure.Message.StartsWith(planPath, StringComparison.Ordinal))
        {
            throw new InvalidDataException($"Bundle '{folder}': {failure.Message}", failure);
        }

        Graph? Model(string name)
        {
            if (!parts.TryGetValue(name, out byte[]? content)) return null;
            try
            {
                return OnnxModel.Parse(content);
            }
            catch (Exception failure) when (failure is InvalidDataException or NotSupportedException)
            {
                throw new InvalidDataException($"Bundle '{folder}': {name}: {failure.Message}", failure);
            }
        }
    }

    /// <summary>Reads a file of a folder and compares it with its record.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="file">The record.</param>
    /// <param name="recordedIn">Name of the file that holds the record.</param>
    /// <exception cref="InvalidDataException">The file is missing, or is another one.</exception>
    public static byte[] ReadChecked(string folder, BundleFile file, string recordedIn)
    {
        string path = Path.Combine(folder, file.Name);
        if (!File.Exists(path)) throw new InvalidDataException($"Bundle '{folder}': {file.Name} is missing.");
        long length = new FileInfo(path).Length;
        if (length != file.Bytes) throw new InvalidDataException($"Bundle '{folder}': {file.Name} has {length} bytes, {recordedIn} says {file.Bytes}; the file is damaged or of another bundle.");
        byte[] content = SchemaFile.ReadBytes(path);
        if (ModelHash.Of(content) != file.Sha256)
            throw new InvalidDataException($"Bundle '{folder}': {file.Name} does not have the SHA-256 that {recordedIn} records; the file is damaged or of another bundle.");
        return content;
    }

    private static BundleFile Record(string folder, string name)
    {
        byte[] content = SchemaFile.ReadBytes(Path.Combine(folder, name));
        return new BundleFile(name, content.Length, ModelHash.Of(content));
    }
}
