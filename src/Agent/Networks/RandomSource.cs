using System.Numerics;

namespace CoInference.Agent.Networks;

/// <summary>
/// Seeded pseudo-random numbers whose whole state is four words, so that a search can be stopped, stored and continued
/// with the same numbers. xoshiro256** (Blackman and Vigna, 2018), seeded through SplitMix64.
/// </summary>
/// <remarks>Not for secrets, not thread-safe.</remarks>
public sealed class RandomSource
{
    private ulong _s0, _s1, _s2, _s3;

    /// <summary>Starts the sequence of <paramref name="seed"/>; equal seeds give equal sequences on every machine.</summary>
    public RandomSource(long seed)
    {
        ulong mixer = (ulong)seed;
        _s0 = SplitMix(ref mixer);
        _s1 = SplitMix(ref mixer);
        _s2 = SplitMix(ref mixer);
        _s3 = SplitMix(ref mixer);
    }

    /// <summary>64 random bits.</summary>
    public ulong NextBits()
    {
        ulong result = BitOperations.RotateLeft(_s1 * 5, 7) * 9;
        ulong shifted = _s1 << 17;
        _s2 ^= _s0;
        _s3 ^= _s1;
        _s1 ^= _s2;
        _s0 ^= _s3;
        _s2 ^= shifted;
        _s3 = BitOperations.RotateLeft(_s3, 45);
        return result;
    }

    /// <summary>A number in [0, 1), uniform on multiples of 2^-53.</summary>
    public double NextUniform() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>An integer in [0, <paramref name="bound"/>).</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bound"/> is not positive.</exception>
    public int NextIndex(int bound)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bound);
        return (int)Math.BigMul(NextBits(), (ulong)bound, out _);
    }

    /// <summary>A standard normal number, by Marsaglia's polar method. The second number of each pair is dropped: keeping it would be state.</summary>
    public double NextNormal()
    {
        while (true)
        {
            double u = (2 * NextUniform()) - 1, v = (2 * NextUniform()) - 1, square = (u * u) + (v * v);
            if (square is > 0 and < 1) return u * Math.Sqrt(-2 * Math.Log(square) / square);
        }
    }

    /// <summary>
    /// A normal number with the given mean and deviation, conditioned on [0, 1], by rejection. For a mean within [0, 1]
    /// at least a third of the draws are kept whatever the deviation up to 1.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The mean lies outside [0, 1], or the deviation outside [0, 1].</exception>
    public double NextTruncatedNormal(double mean, double deviation)
    {
        if (!(mean is >= 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(mean), mean, "The mean of a truncated normal must lie within [0, 1].");
        if (!(deviation is >= 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(deviation), deviation, "The deviation must lie within [0, 1].");
        if (deviation == 0) return mean;
        while (true)
        {
            double value = mean + (deviation * NextNormal());
            if (value is >= 0 and <= 1) return value;
        }
    }

    /// <summary>Writes the state: 32 bytes.</summary>
    public void Save(BinaryWriter writer)
    {
        writer.Write(_s0);
        writer.Write(_s1);
        writer.Write(_s2);
        writer.Write(_s3);
    }

    /// <summary>Continues from a state that <see cref="Save"/> wrote.</summary>
    /// <exception cref="EndOfStreamException">The stream ends early.</exception>
    public void Restore(BinaryReader reader)
    {
        _s0 = reader.ReadUInt64();
        _s1 = reader.ReadUInt64();
        _s2 = reader.ReadUInt64();
        _s3 = reader.ReadUInt64();
    }

    private static ulong SplitMix(ref ulong state)
    {
        ulong z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
