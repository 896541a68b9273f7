namespace CoInference.Runtime.Plans;

/// <summary>Writes folders of known files so that a reader finds the whole old folder or the whole new one.</summary>
public static class AtomicFolder
{
    /// <summary>Creates or replaces a folder with the files that <paramref name="fill"/> writes.</summary>
    /// <param name="path">Folder to write.</param>
    /// <param name="ownNames">
    /// The file names that such a folder may hold. A folder that holds anything else is not ours to replace.
    /// </param>
    /// <param name="fill">Writes the files into the folder it is given; when it throws, the target stays as it was.</param>
    /// <exception cref="IOException">
    /// The folder cannot be written, or it exists and holds something not in <paramref name="ownNames"/>.
    /// </exception>
    public static void Write(string path, IReadOnlyCollection<string> ownNames, Action<string> fill)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(ownNames);
        ArgumentNullException.ThrowIfNull(fill);
        string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        CheckReplaceable(path, target, ownNames);
        string parent = Path.GetDirectoryName(target) ?? throw new IOException($"Cannot write the folder '{path}': it is the root.");
        string temporary = Path.Combine(parent, $".{Path.GetFileName(target)}.{Path.GetRandomFileName()}.tmp");
        try
        {
            Directory.CreateDirectory(temporary);
            fill(temporary);
            Replace(temporary, target);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"Cannot write the folder '{path}': {failure.Message}", failure);
        }
        finally
        {
            Remove(temporary);
        }
    }

    private static void CheckReplaceable(string path, string target, IReadOnlyCollection<string> ownNames)
    {
        if (File.Exists(target)) throw new IOException($"Cannot write the folder '{path}': a file of that name exists.");
        if (!Directory.Exists(target)) return;
        foreach (string entry in Directory.EnumerateFileSystemEntries(target))
        {
            if (!ownNames.Contains(Path.GetFileName(entry)) || Directory.Exists(entry))
                throw new IOException($"Cannot replace the folder '{path}': it holds '{Path.GetFileName(entry)}', which was not written by this program.");
        }
    }

    private static void Replace(string temporary, string target)
    {
        if (!Directory.Exists(target))
        {
            Directory.Move(temporary, target);
            return;
        }

        // A folder cannot be renamed over another: the old one steps aside, and comes back if the new one cannot move in.
        string aside = temporary + ".old";
        Directory.Move(target, aside);
        try
        {
            Directory.Move(temporary, target);
        }
        catch (IOException)
        {
            Directory.Move(aside, target);
            throw;
        }

        Remove(aside);
    }

    private static void Remove(string folder)
    {
        try
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // Left-overs under a temporary name harm nobody; the outcome of the write itself is what counts.
        }
    }
}
