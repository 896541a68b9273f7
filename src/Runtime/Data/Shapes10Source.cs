namespace CoInference.Runtime.Data;

/// <summary>The generated set of <see cref="Shapes10"/> drawings as a data source.</summary>
internal sealed class Shapes10Source(string spec, int seed) : DataSource
{
    public override string Spec => spec;

    protected override ImageSet Read(Split split, int limit)
    {
        int[] chosen = split == Split.Test ? Enumerable.Range(0, Shapes10.TestImages).ToArray() : SplitCarver.Carve(Shapes10.TrainImages, split);
        if (chosen.Length > limit) chosen = chosen[..limit];
        var pixels = new byte[chosen.Length * Shapes10.ImageBytes];
        Parallel.For(0, chosen.Length, i =>
            Shapes10.Draw(seed, split == Split.Test, chosen[i], pixels.AsSpan(i * Shapes10.ImageBytes, Shapes10.ImageBytes)));
        return new ImageSet(3, Shapes10.Side, Shapes10.Side, Shapes10.ClassNames.Count, pixels, Array.ConvertAll(chosen, Shapes10.Label));
    }
}
