using CoInference.Runtime.Plans;

namespace CoInference.Runtime.Tests.Plans;

public sealed class AtomicFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("coinference-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_new_file_and_its_folder_are_created()
    {
        string path = Path.Combine(_folder, "deep", "er", "file.json");
        AtomicFile.WriteText(path, "{}\n");
        Assert.Equal("{}\n"u8.ToArray(), File.ReadAllBytes(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(Path.GetDirectoryName(path)!));
    }

    [Fact]
    public void A_failing_writer_leaves_the_old_content_and_nothing_else()
    {
        string path = Path.Combine(_folder, "file.json");
        AtomicFile.WriteText(path, "old");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, stream =>
        {
            stream.Write("half of the ne"u8);
            throw new InvalidOperationException("no more");
        }));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder));
    }

    [SkippableFact]
    public void A_full_disk_names_the_file_and_the_reason()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "needs /dev/full");
        string path = Path.Combine(_folder, "file.json");
        var failure = Assert.Throws<IOException>(() => AtomicFile.Write(path, _ =>
        {
            // A device that answers every write as a full disk does.
            using var full = new FileStream("/dev/full", FileMode.Open, FileAccess.Write);
            full.Write("x"u8);
            full.Flush(flushToDisk: true);
        }));
        Assert.Contains(path, failure.Message);
        Assert.Contains("No space left", failure.Message);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    [Fact]
    public void A_target_that_cannot_be_written_is_named()
    {
        string file = Path.Combine(_folder, "file");
        AtomicFile.WriteText(file, "x");
        string below = Path.Combine(file, "plan.json");
        Assert.Contains(below, Assert.Throws<IOException>(() => AtomicFile.WriteText(below, "y")).Message);
        Assert.Contains("is a folder", Assert.Throws<IOException>(() => AtomicFile.WriteText(_folder, "y")).Message);
    }

    [Fact]
    public void A_folder_is_replaced_as_a_whole_or_not_at_all()
    {
        string folder = Path.Combine(_folder, "bundle");
        string[] names = ["a", "b"];
        AtomicFolder.Write(folder, names, target =>
        {
            AtomicFile.WriteText(Path.Combine(target, "a"), "1");
            AtomicFile.WriteText(Path.Combine(target, "b"), "2");
        });
        Assert.Throws<InvalidDataException>(() => AtomicFolder.Write(folder, names, target =>
        {
            AtomicFile.WriteText(Path.Combine(target, "a"), "3");
            throw new InvalidDataException();
        }));
        Assert.Equal("1", File.ReadAllText(Path.Combine(folder, "a")));

        AtomicFolder.Write(folder, names, target => AtomicFile.WriteText(Path.Combine(target, "a"), "4"));
        Assert.Equal("4", File.ReadAllText(Path.Combine(folder, "a")));
        Assert.False(File.Exists(Path.Combine(folder, "b")));
        Assert.Equal([folder], Directory.GetFileSystemEntries(_folder));
    }

    [Fact]
    public void A_folder_with_other_peoples_files_is_refused()
    {
        AtomicFile.WriteText(Path.Combine(_folder, "thesis.tex"), "...");
        var failure = Assert.Throws<IOException>(() => AtomicFolder.Write(_folder, ["a"], _ => { }));
        Assert.Contains("thesis.tex", failure.Message);
        Assert.True(File.Exists(Path.Combine(_folder, "thesis.tex")));
    }

    [Fact]
    public void Hashes_are_those_of_the_standard()
    {
        // FIPS 180-4 example: SHA-256 of "abc".
        const string Expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        string path = Path.Combine(_folder, "abc");
        AtomicFile.WriteText(path, "abc");
        Assert.Equal(Expected, ModelHash.OfFile(path));
        Assert.Equal(Expected, ModelHash.Of("abc"u8));
        Assert.True(ModelHash.IsHash(Expected));
        Assert.False(ModelHash.IsHash(Expected.ToUpperInvariant()));
        Assert.False(ModelHash.IsHash(null));
    }
}
