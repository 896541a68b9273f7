namespace CoInference.Agent.Search;

/// <summary>
/// Keeps a second search out of a folder: both would rewrite one journal, and episodes would be lost. A folder that did
/// not exist and is still empty at the end is removed again.
/// </summary>
internal sealed class FolderClaim : IDisposable
{
    /// <summary>Name of the file that is held open.</summary>
    public const string FileName = "search.lock";

    private readonly string _folder;
    private readonly bool _created;
    private readonly FileStream _file;

    /// <summary>Claims a folder, which is created when it does not exist.</summary>
    /// <exception cref="IOException">Another search holds it, or the folder cannot be written.</exception>
    public FolderClaim(string folder)
    {
        (_folder, _created) = (folder, !Directory.Exists(folder));
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, FileName);
        try
        {
            _file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException failure) when (File.Exists(path))
        {
            throw new IOException($"Another search is at work in '{folder}'; wait for it, or name another folder.", failure);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _file.Dispose();
        if (_created && Directory.Exists(_folder) && !Directory.EnumerateFileSystemEntries(_folder).Any()) Directory.Delete(_folder);
    }
}
