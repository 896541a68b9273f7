using System.IO.Compression;
using CoInference.Runtime.Data;

namespace CoInference.Runtime.Tests.Data;

public sealed class DataSourceTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("coinference-data-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("cifar11:x")]
    [InlineData("cifar10")]
    [InlineData("cifar10:")]
    [InlineData("shapes10:7")]
    [InlineData("shapes10:seed=-1")]
    [InlineData("folder:x,size=0")]
    [InlineData("folder:x,size=4x5x6")]
    [InlineData("folder:x,channels=2")]
    [InlineData("folder:x,crop=1.5")]
    [InlineData("folder:x,colour=1")]
    [InlineData("")]
    public void Malformed_specs_say_what_was_expected(string text)
    {
        var failure = Assert.Throws<FormatException>(() => DataSpec.Parse(text));
        Assert.Contains("expected", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Cifar10_files_are_read_plain_and_compressed_and_splits_do_not_overlap()
    {
        WriteRecords("data_batch_1.bin", 40, 0);
        WriteRecords("data_batch_2.bin.gz", 60, 40);
        WriteRecords("test_batch.bin", 10, 200);
        DataSource data = DataSpec.Parse($"cifar10:{_folder}");

        ImageSet train = data.Load(Split.Train), validation = data.Load(Split.SearchValidation), test = data.Load(Split.Test);
        Assert.Equal((80, 20, 10), (train.Count, validation.Count, test.Count));
        int[] numbers = [.. Enumerable.Range(0, 80).Select(i => (int)train.Image(i)[0]), .. Enumerable.Range(0, 20).Select(i => (int)validation.Image(i)[0])];
        Assert.Equal(Enumerable.Range(0, 100), numbers.Order());
        Assert.All(Enumerable.Range(0, 80), i => Assert.Equal(train.Image(i)[0] % 10, train.Labels[i]));
        Assert.Equal(Enumerable.Range(200, 10), Enumerable.Range(0, 10).Select(i => (int)test.Image(i)[0]));
        Assert.Equal(train.Image(6).ToArray(), data.Load(Split.Train, 7).Image(6).ToArray());
    }

    [Fact]
    public void Broken_cifar10_files_are_named()
    {
        string Message(Action<string> write)
        {
            string path = Path.Combine(_folder, "test.bin");
            write(path);
            string message = Assert.Throws<InvalidDataException>(() => DataSpec.Parse($"cifar10:{_folder}").Load(Split.Test)).Message;
            File.Delete(path);
            return message;
        }

        Assert.Contains("3073", Message(path => File.WriteAllBytes(path, new byte[3000])), StringComparison.Ordinal);
        Assert.Contains("label 10", Message(path => File.WriteAllBytes(path, Record(10, 0))), StringComparison.Ordinal);
        File.WriteAllBytes(Path.Combine(_folder, "test.bin.gz"), [1, 2, 3, 4]);
        Assert.Contains("gzip", Message(_ => { }), StringComparison.Ordinal);
        Assert.Contains("no CIFAR-10 training files",
            Assert.Throws<InvalidDataException>(() => DataSpec.Parse($"cifar10:{_folder}").Load(Split.Train)).Message, StringComparison.Ordinal);
        Assert.Contains("does not exist",
            Assert.Throws<InvalidDataException>(() => DataSpec.Parse("cifar10:/no/such/folder").Load(Split.Test)).Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void Shared_cifar10_folder_is_read()
    {
        string folder = TestData.Require("cifar10");
        DataSource data = DataSpec.Parse($"cifar10:{folder}");
        ImageSet test = data.Load(Split.Test);
        Assert.Equal(2000, test.Count);
        Assert.Equal(Enumerable.Repeat(200, 10), test.Labels.CountBy(label => label).OrderBy(pair => pair.Key).Select(pair => pair.Value));
        Assert.Equal(4000, data.Load(Split.Train).Count + data.Load(Split.SearchValidation).Count);
    }

    [SkippableFact]
    public void Fashion_mnist_is_read()
    {
        ImageSet test = DataSpec.Parse($"idx:{TestData.Require("fashion-mnist")}").Load(Split.Test, 100);
        Assert.Equal((1, 28, 28, 10, 100), (test.Channels, test.Height, test.Width, test.Classes, test.Count));
        Assert.Equal([9, 2, 1, 1, 6], test.Labels[..5]);
    }

    [Fact]
    public void Idx_sizes_are_checked_against_the_file()
    {
        byte[] images = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8];
        byte[] labels = [0, 0, 8, 1, 0, 0, 0, 2, 3, 4];
        string imagePath = Path.Combine(_folder, "test-images"), labelPath = Path.Combine(_folder, "test-labels");
        File.WriteAllBytes(imagePath, images);
        File.WriteAllBytes(labelPath, labels);
        DataSource data = DataSpec.Parse($"idx:{_folder}");
        ImageSet set = data.Load(Split.Test);
        Assert.Equal([5, 6, 7, 8], set.Image(1).ToArray());
        Assert.Equal([3, 4], set.Labels);

        images[7] = 3;
        File.WriteAllBytes(imagePath, images);
        Assert.Contains("announces", Assert.Throws<InvalidDataException>(() => data.Load(Split.Test)).Message, StringComparison.Ordinal);
        images[2] = 9;
        File.WriteAllBytes(imagePath, images);
        Assert.Contains("2051", Assert.Throws<InvalidDataException>(() => data.Load(Split.Test)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Class_folders_are_read_with_and_without_split_folders()
    {
        foreach (string split in (string[])["", "split/train/", "split/test/"])
        {
            for (int i = 0; i < 20; i++)
            {
                string path = Path.Combine(_folder, "images", $"{split}{(i < 10 ? "cat" : "dog")}", $"{i:00}.png");
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                File.WriteAllBytes(path, PngEncoder.Encode(new PixelImage(1, 4, 6, Enumerable.Repeat((byte)(i * 10), 24).ToArray())));
            }
        }

        Directory.Move(Path.Combine(_folder, "images", "split"), Path.Combine(_folder, "split"));
        DataSource flat = DataSpec.Parse($"folder:{_folder}/images");
        ImageSet train = flat.Load(Split.Train), validation = flat.Load(Split.SearchValidation), test = flat.Load(Split.Test);
        Assert.Equal((13, 3, 4), (train.Count, validation.Count, test.Count));
        Assert.Equal((3, 4, 6, 2), (train.Channels, train.Height, train.Width, train.Classes));
        ImageSet[] sets = [train, validation, test];
        Assert.Equal(Enumerable.Range(0, 20).Select(i => i * 10), sets.SelectMany(set => Enumerable.Range(0, set.Count).Select(i => (int)set.Image(i)[0])).Order());
        Assert.All(sets, set => Assert.All(Enumerable.Range(0, set.Count), i => Assert.Equal(set.Image(i)[0] < 100 ? 0 : 1, set.Labels[i])));

        DataSource split3 = DataSpec.Parse($"folder:{_folder}/split", new ImageSize(1, 2, 2));
        Assert.Equal((16, 4, 20), (split3.Load(Split.Train).Count, split3.Load(Split.SearchValidation).Count, split3.Load(Split.Test).Count));
        ImageSet small = split3.Load(Split.Test, 5);
        Assert.Equal((1, 2, 2, 5), (small.Channels, small.Height, small.Width, small.Count));
        Assert.All(Enumerable.Range(0, 5), i => Assert.Single(small.Image(i).ToArray().Distinct()));

        File.WriteAllBytes(Path.Combine(_folder, "images", "cat", "00.png"), PngEncoder.Encode(new PixelImage(1, 5, 6, new byte[30])));
        string[] messages = Enum.GetValues<Split>().Select(part => Xunit.Record.Exception(() => flat.Load(part))?.Message ?? "").ToArray();
        Assert.Contains(messages, message => message.Contains("size=224", StringComparison.Ordinal));
    }

    [Fact]
    public void Resizing_keeps_a_linear_ramp_linear()
    {
        // A triangle filter reproduces linear functions away from the borders; one level of rounding is allowed.
        var ramp = new PixelImage(1, 64, 64, Enumerable.Range(0, 64 * 64).Select(i => (byte)((i % 64) * 4)).ToArray());
        PixelImage half = ImageResizer.Fit(ramp, 28, 28, 28.0 / 32);
        for (int x = 1; x < 27; x++) Assert.InRange(half.Pixels[(14 * 28) + x], (((x + 2) * 2) + 0.5) * 4 - 1, (((x + 2) * 2) + 0.5) * 4 + 1);
        Assert.Equal((28, 28), (half.Height, half.Width));
        PixelImage wide = ImageResizer.Fit(new PixelImage(3, 10, 20, new byte[600]), 7, 9, 0.875);
        Assert.Equal((7, 9, 189), (wide.Height, wide.Width, wide.Pixels.Length));
    }

    [Fact]
    public void Shapes10_is_balanced_deterministic_and_different_by_seed_and_split()
    {
        ImageSet first = DataSpec.Parse("shapes10").Load(Split.Test, 100), again = DataSpec.Parse("shapes10:seed=1").Load(Split.Test, 100);
        Assert.Equal(first.Pixels, again.Pixels);
        Assert.All(first.Labels.CountBy(label => label), pair => Assert.Equal(10, pair.Value));
        Assert.NotEqual(first.Pixels, DataSpec.Parse("shapes10:seed=2").Load(Split.Test, 100).Pixels);
        ImageSet train = DataSpec.Parse("shapes10").Load(Split.Train, 300), validation = DataSpec.Parse("shapes10").Load(Split.SearchValidation, 300);
        ImageSet[] sets = [first, train, validation];
        Assert.Equal(700, sets.SelectMany(set => Enumerable.Range(0, set.Count).Select(i => Convert.ToHexString(set.Image(i)))).Distinct().Count());
    }

    [Theory]
    [InlineData("mean=0.5;std=0.25", 255, 2f)]
    [InlineData("mean=0.5,0.5,0.5;std=0.25,0.25,0.25;scale=1", 1, 2f)]
    [InlineData("raw", 255, 255f)]
    [InlineData("symmetric", 255, 1f)]
    public void Preprocessing_texts_are_read(string text, byte value, float expected)
    {
        var result = new float[3];
        Preprocessing.Parse(text).Apply([value, value, value], 3, result);
        Assert.All(result, x => Assert.Equal(expected, x, 1e-6f));
    }

    [Theory]
    [InlineData("imagenet2")]
    [InlineData("mean=0.5")]
    [InlineData("mean=0.5;std=0")]
    [InlineData("mean=0.5,0.5;std=1")]
    [InlineData("mean=x;std=1")]
    public void Malformed_preprocessing_is_refused(string text) => Assert.Throws<FormatException>(() => Preprocessing.Parse(text));

    private void WriteRecords(string name, int count, int first)
    {
        byte[] bytes = Enumerable.Range(first, count).SelectMany(i => Record(i % 10, (byte)i)).ToArray();
        using Stream file = File.Create(Path.Combine(_folder, name));
        using Stream target = name.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(file, CompressionLevel.Fastest) : file;
        target.Write(bytes);
    }

    private static byte[] Record(int label, byte value)
    {
        var record = new byte[3073];
        record.AsSpan().Fill(value);
        record[0] = (byte)label;
        return record;
    }
}
