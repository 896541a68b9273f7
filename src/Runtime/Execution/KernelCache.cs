using System.Text.Json;
using System.Text.Json.Serialization;
using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Execution;

/// <summary>
/// The file that keeps measured kernel times between processes, one per device fingerprint. Processes may read and
/// write it at the same time: a writer merges its times into what is there under a lock and replaces the file whole.
/// </summary>
public static class KernelCache
{
    private const string Schema = "coinference.kernel-times/1";
    private const long MaximumBytes = 64L << 20;
    private static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(10);

    /// <summary>
    /// <c>kernels-HASH.json</c> in the folder that <c>COINFERENCE_CACHE</c> names, else in <c>coinference</c> under
    /// <c>XDG_CACHE_HOME</c> or <c>~/.cache</c>. HASH stands for <see cref="DeviceFingerprint.Current"/>.
    /// </summary>
    public static string DefaultPath => Path.Combine(DefaultFolder(), $"kernels-{Hash(DeviceFingerprint.Current):x8}.json");

    /// <summary>Reads a cache file. A file that is absent gives an empty chooser; one that is broken too, with <see cref="KernelChooser.Warning"/> set.</summary>
    public static KernelChooser Load(string path)
    {
        try
        {
            return new KernelChooser(Read(path));
        }
        catch (Exception failure) when (failure is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            return new KernelChooser { Warning = $"kernel cache ignored: {failure.Message}" };
        }
    }

    /// <summary>Merges a chooser's measured times into a cache file; a broken file is replaced.</summary>
    /// <exception cref="IOException">The file cannot be written, or another process kept it locked for ten seconds.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written.</exception>
    public static void Save(KernelChooser chooser, string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        using FileStream turn = Lock(path + ".lock");
        Dictionary<string, double> times;
        try
        {
            times = Read(path);
        }
        catch (InvalidDataException)
        {
            times = [];
        }

        foreach ((string key, double time) in chooser.Measurements()) times[key] = time;
        var ordered = new SortedDictionary<string, double>(times, StringComparer.Ordinal);
        var content = new KernelCacheFile(Schema, DeviceFingerprint.Current, ordered);
        AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, content, KernelCacheJson.Default.KernelCacheFile));
    }

    private static Dictionary<string, double> Read(string path)
    {
        if (!File.Exists(path)) return new Dictionary<string, double>(StringComparer.Ordinal);
        using FileStream file = File.OpenRead(path);
        if (file.Length > MaximumBytes) throw new InvalidDataException($"{path} has {file.Length} bytes, more than {MaximumBytes}.");
        KernelCacheFile content;
        try
        {
            content = JsonSerializer.Deserialize(file, KernelCacheJson.Default.KernelCacheFile)
                ?? throw new InvalidDataException($"{path} is empty.");
        }
        catch (JsonException failure)
        {
            throw new InvalidDataException($"{path} is not a kernel cache: {failure.Message}", failure);
        }

        if (content.Schema != Schema) throw new InvalidDataException($"{path} has schema '{content.Schema}', expected '{Schema}'.");
        if (content.Device != DeviceFingerprint.Current)
            throw new InvalidDataException($"{path} was measured on '{content.Device}', this is '{DeviceFingerprint.Current}'.");
        if (content.Microseconds is null) throw new InvalidDataException($"{path} has no 'microseconds'.");
        foreach ((string key, double time) in content.Microseconds)
        {
            if (!(time > 0) || !double.IsFinite(time)) throw new InvalidDataException($"{path} has time {time} for '{key}', expected a positive number.");
        }

        return new Dictionary<string, double>(content.Microseconds, StringComparer.Ordinal);
    }

    private static FileStream Lock(string path)
    {
        long deadline = Environment.TickCount64 + (long)LockTimeout.TotalMilliseconds;
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (Environment.TickCount64 < deadline)
            {
                Thread.Sleep(20);
            }
        }
    }

    private static string DefaultFolder()
    {
        if (Environment.GetEnvironmentVariable("COINFERENCE_CACHE") is { Length: > 0 } chosen) return chosen;
        string root = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache ? cache
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(root, "coinference");
    }

    // FNV-1a: string.GetHashCode differs between processes.
    private static uint Hash(string text)
    {
        uint hash = 2_166_136_261;
        foreach (char c in text) hash = (hash ^ c) * 16_777_619;
        return hash;
    }
}

/// <summary>Content of the cache file.</summary>
/// <param name="Schema">Name and version of the format.</param>
/// <param name="Device">Fingerprint of the device that was measured.</param>
/// <param name="Microseconds">Median time by step key.</param>
internal sealed record KernelCacheFile(string? Schema, string? Device, IReadOnlyDictionary<string, double>? Microseconds);

/// <summary>Serialization of the cache file without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(KernelCacheFile))]
internal sealed partial class KernelCacheJson : JsonSerializerContext;
