namespace CoInference.Tests;

/// <summary>Finds the repository and the optional shared test data beside it.</summary>
internal static class TestData
{
    /// <summary>The folder that holds CoInference.sln.</summary>
    public static string RepositoryRoot { get; } = FindRoot();

    /// <summary>
    /// The shared data folder: <c>COINFERENCE_DATA</c>, or <c>../shared/data</c> beside the repository. May be absent.
    /// </summary>
    public static string SharedData { get; } =
        Environment.GetEnvironmentVariable("COINFERENCE_DATA") ?? Path.GetFullPath(Path.Combine(RepositoryRoot, "..", "shared", "data"));

    /// <summary>Full path of a file or folder of the shared data; skips the calling test, with the reason, when it is absent.</summary>
    public static string Require(params string[] parts)
    {
        string path = Path.Combine([SharedData, .. parts]);
        Skip.IfNot(File.Exists(path) || Directory.Exists(path), $"test data {path} is absent (set COINFERENCE_DATA to its folder)");
        return path;
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "CoInference.sln"))) return folder.FullName;
        }

        throw new InvalidOperationException($"No CoInference.sln above {AppContext.BaseDirectory}.");
    }
}
