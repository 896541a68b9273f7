namespace CoInference.Runtime.Data;

/// <summary>A labelled image data set that can be read split by split.</summary>
/// <remarks>
/// Training and search-validation images come in a fixed shuffled order, so that the first n of them are a fair
/// sample; <see cref="SplitCarver"/> says how the two are separated. Test images keep the order of the data set.
/// </remarks>
public abstract class DataSource
{
    /// <summary>The text that <see cref="DataSpec.Parse"/> read.</summary>
    public abstract string Spec { get; }

    /// <summary>Reads one split.</summary>
    /// <param name="split">Which part.</param>
    /// <param name="limit">At most this many images; null for all of them.</param>
    /// <exception cref="InvalidDataException">The files are absent, broken, or hold no such split; the message names the file.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="limit"/> is below 1.</exception>
    public ImageSet Load(Split split, int? limit = null)
    {
        if (limit is { } count) ArgumentOutOfRangeException.ThrowIfLessThan(count, 1, nameof(limit));
        return Read(split, limit ?? int.MaxValue);
    }

    /// <summary>Reads at most <paramref name="limit"/> images of one split.</summary>
    protected abstract ImageSet Read(Split split, int limit);
}
