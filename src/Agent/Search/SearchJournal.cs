using System.Globalization;
using CoInference.Agent.Baselines;
using CoInference.Agent.Environments;
using CoInference.Runtime.Plans;

namespace CoInference.Agent.Search;

/// <summary>
/// The record of a search on disk: <c>search.json</c> with settings and every episode, and beside it one file per
/// learning decider with its networks and experience. Written after each episode, so that a search that was stopped at
/// any moment goes on from its last finished episode as if it had never stopped.
/// </summary>
/// <remarks>
/// A decider's file is written under a new name first; <c>search.json</c> then names it, and only then the old one is
/// removed. So whatever moment the power fails, the named files exist and belong together.
/// </remarks>
public sealed class SearchJournal
{
    /// <summary>Name of the journal within its folder.</summary>
    public const string FileName = "search.json";

    private const string StateSuffix = ".state";

    private readonly string? _folder;
    private readonly Dictionary<string, string> _settings;
    private readonly List<EpisodeRecord> _episodes = [];
    private readonly Dictionary<string, string> _stateFiles = new(StringComparer.Ordinal);
    private readonly Dictionary<string, CodecTiming> _codecTimings = new(StringComparer.Ordinal);

    private SearchJournal(string? folder, IReadOnlyDictionary<string, string> settings)
    {
        _folder = folder;
        _settings = new Dictionary<string, string>(settings, StringComparer.Ordinal);
    }

    /// <summary>Everything that must be equal for a search to be resumed, by name.</summary>
    public IReadOnlyDictionary<string, string> Settings => _settings;

    /// <summary>All finished episodes, oldest first.</summary>
    public IReadOnlyList<EpisodeRecord> Episodes => _episodes;

    /// <summary>Budget in milliseconds that a relative budget was resolved to; null until it is known.</summary>
    public double? BudgetMs { get; set; }

    /// <summary>Baselines measured at the start; empty until they are.</summary>
    public IReadOnlyList<BaselineResult> Baselines { get; set; } = [];

    /// <summary>Measured times of encoder and decoder by what determines them.</summary>
    public IDictionary<string, CodecTiming> CodecTimings => _codecTimings;

    /// <summary>Seconds spent before this run, in earlier runs of the same search.</summary>
    public double EarlierSeconds { get; private set; }

    /// <summary>A journal that is kept in memory only.</summary>
    public static SearchJournal InMemory(IReadOnlyDictionary<string, string>? settings = null) => new(null, settings ?? new Dictionary<string, string>());

    /// <summary>Opens the journal of a folder, or starts one.</summary>
    /// <param name="folder">Folder of the search; created by the first write.</param>
    /// <param name="settings">Settings of the search that wants to go on.</param>
    /// <exception cref="InvalidDataException">The folder holds another search, or a broken journal; the message names the file and what differs.</exception>
    /// <exception cref="IOException">The journal cannot be read.</exception>
    public static SearchJournal Open(string folder, IReadOnlyDictionary<string, string> settings)
    {
        var journal = new SearchJournal(folder, settings);
        string path = Path.Combine(folder, FileName);
        if (File.Exists(path)) journal.Load(path);
        return journal;
    }

    /// <summary>Removes the journal of a folder and the files it names, so that a search starts afresh.</summary>
    /// <exception cref="IOException">A file cannot be removed.</exception>
    public static void Discard(string folder)
    {
        if (!Directory.Exists(folder)) return;
        File.Delete(Path.Combine(folder, FileName));
        foreach (string state in Directory.EnumerateFiles(folder, "*" + StateSuffix)) File.Delete(state);
    }

    /// <summary>Adds a finished episode and stores the state of the decider that learned from it.</summary>
    /// <exception cref="IOException">The journal cannot be written.</exception>
    public void Add(EpisodeRecord episode, string deciderKey, IDecider decider)
    {
        _episodes.Add(episode);
        if (_folder is null) return;
        string name = string.Create(CultureInfo.InvariantCulture, $"{deciderKey}-{_episodes.Count}{StateSuffix}");
        AtomicFile.Write(Path.Combine(_folder, name), stream =>
        {
            using var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true);
            decider.Save(writer);
        });
        _stateFiles.TryGetValue(deciderKey, out string? outdated);
        _stateFiles[deciderKey] = name;
        Write();
        if (outdated is not null) File.Delete(Path.Combine(_folder, outdated));
    }

    /// <summary>Brings a decider to the state it was stored in; leaves it as it is when none was stored.</summary>
    /// <exception cref="InvalidDataException">The stored state is missing, broken, or belongs to another decider.</exception>
    public void Restore(string deciderKey, IDecider decider)
    {
        if (_folder is null || !_stateFiles.TryGetValue(deciderKey, out string? name)) return;
        string path = Path.Combine(_folder, name);
        if (!File.Exists(path)) throw new InvalidDataException($"{Path.Combine(_folder, FileName)}: the agent state '{name}' that it names is missing.");
        try
        {
            using var reader = new BinaryReader(File.OpenRead(path));
            decider.Restore(reader);
            if (reader.BaseStream.Position != reader.BaseStream.Length) throw new InvalidDataException("bytes are left over.");
        }
        catch (Exception failure) when (failure is EndOfStreamException or InvalidDataException)
        {
            throw new InvalidDataException($"{path}: not the state of decider '{decider.Name}' at this cut: {failure.Message}", failure);
        }
    }

    /// <summary>Adds to the time spent; stored with the next episode.</summary>
    public double ElapsedSeconds { get; set; }

    /// <summary>Writes the journal, e.g. when budget and baselines have become known. Does nothing in memory.</summary>
    /// <exception cref="IOException">The journal cannot be written.</exception>
    public void Write()
    {
        if (_folder is null) return;
        SchemaFile.Write(Path.Combine(_folder, FileName), Document(), SearchJson.Default.SearchFile);
    }

    private SearchFile Document() => new()
    {
        Settings = _settings,
        BudgetMs = BudgetMs,
        Seconds = Math.Round(EarlierSeconds + ElapsedSeconds, 3),
        Baselines = Baselines,
        CodecTimings = _codecTimings,
        States = _stateFiles,
        Episodes = _episodes,
    };

    private void Load(string path)
    {
        SearchFile file = SchemaFile.Read(path, SearchFile.SchemaName, SearchJson.Default.SearchFile);
        foreach (string name in _settings.Keys.Union(file.Settings.Keys).Order(StringComparer.Ordinal))
        {
            string? wanted = _settings.GetValueOrDefault(name), stored = file.Settings.GetValueOrDefault(name);
            if (wanted != stored)
                throw new InvalidDataException($"{path}: holds another search: {name} is '{stored}' there and '{wanted}' here. Choose another folder, or start afresh.");
        }

        foreach ((string key, string name) in file.States)
        {
            if (name != Path.GetFileName(name)) throw new InvalidDataException($"{path}: agent state '{name}' is not a file of this folder.");
            _stateFiles[key] = name;
        }

        foreach ((string key, CodecTiming timing) in file.CodecTimings) _codecTimings[key] = timing;
        (BudgetMs, Baselines, EarlierSeconds) = (file.BudgetMs, file.Baselines, file.Seconds);
        _episodes.AddRange(file.Episodes);
    }
}
