using CoInference.Kernels.Gpu;
using CoInference.Runtime.Execution;

namespace CoInference.Runtime.Tests.Execution;

public sealed class ProgramCacheTests : IDisposable
{
    private readonly string _folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public void Dispose()
    {
        if (Directory.Exists(_folder)) Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Programs_are_kept_by_key_and_broken_files_are_no_programs()
    {
        var cache = new ProgramCache(_folder);
        Assert.Null(cache.Read("a"));
        cache.Write("a", [1, 2, 3]);
        cache.Write("b", [4]);
        Assert.Equal([1, 2, 3], cache.Read("a"));
        Assert.Equal([4], new ProgramCache(_folder).Read("b"));
        foreach (string file in Directory.GetFiles(_folder))
        {
            byte[] content = File.ReadAllBytes(file);
            content[^1] ^= 1;
            File.WriteAllBytes(file, content);
        }

        Assert.Null(cache.Read("a"));
        cache.Write("a", [7]);
        Assert.Equal([7], cache.Read("a"));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_is_no_error()
    {
        File.WriteAllText(_folder, "a file");
        try
        {
            var cache = new ProgramCache(_folder);
            cache.Write("a", [1]);
            Assert.Null(cache.Read("a"));
        }
        finally
        {
            File.Delete(_folder);
        }
    }

    [SkippableFact]
    public void A_device_takes_its_programs_from_the_cache()
    {
        RealDevices.Get("opencl:0");
        var cache = new ProgramCache(_folder);
        for (int process = 0; process < 2; process++)
        {
            using ComputeDevice device = ComputeDevices.Open("opencl:0", cache);
            using Session session = Session.Create(LayerGraph.Create(4, 4, 3, 8), new SessionOptions { Device = device, Strict = true, Chooser = KernelChooser.Analytic });
            session.Run(new float[4 * 8 * 8], new float[4 * 8 * 8]);
            Assert.NotEmpty(Directory.GetFiles(_folder));
        }
    }
}
