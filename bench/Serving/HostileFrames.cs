using System.Buffers.Binary;
using CoInference.Kernels.Simd.Codec;
using CoInference.Runtime.Codec;

namespace CoInference.Bench.Serving;

/// <summary>Makes malformed and hostile bytes of every kind that a stranger, or a broken device, may send.</summary>
internal sealed class HostileFrames
{
    private readonly byte[] _hello;
    private readonly byte[] _sound;
    private readonly Random _random;

    /// <param name="hello">The handshake of a good device.</param>
    /// <param name="sound">A request of a good device.</param>
    /// <param name="seed">Seed.</param>
    public HostileFrames(byte[] hello, byte[] sound, int seed) => (_hello, _sound, _random) = (hello, sound, new Random(seed));

    /// <summary>What to do with a connection after the bytes were sent.</summary>
    public enum Ending
    {
        /// <summary>Wait for an answer, or for the end of the connection.</summary>
        Wait,

        /// <summary>End this side and wait.</summary>
        Finish,

        /// <summary>Reset the connection at once.</summary>
        Reset,

        /// <summary>Say nothing more and keep the connection open.</summary>
        Stall,
    }

    /// <summary>Names of the kinds, in the order of <see cref="Next"/>.</summary>
    public static IReadOnlyList<string> Kinds { get; } =
        ["random", "random-hello", "mutated", "mutated-checksummed", "oversized", "truncated", "reset", "mutated-hello", "cancellation", "doubled", "slow"];

    /// <summary>The next frame.</summary>
    /// <param name="kind">Its kind, an index into <see cref="Kinds"/>.</param>
    /// <param name="introduced">Whether a good handshake comes before it; otherwise it comes first on its connection.</param>
    /// <param name="ending">What comes after it.</param>
    /// <param name="slowShare">Share of frames that stall: each of them takes the server's patience.</param>
    public byte[] Next(out int kind, out bool introduced, out Ending ending, double slowShare)
    {
        kind = _random.NextDouble() < slowShare ? Kinds.Count - 1 : _random.Next(Kinds.Count - 1);
        introduced = Kinds[kind] is not ("random-hello" or "mutated-hello");
        ending = Ending.Wait;
        byte[] frame = [.. _sound];
        switch (Kinds[kind])
        {
            case "random" or "random-hello":
                // Longer than a header, so that the server has something to judge.
                frame = new byte[_random.Next(FeatureFrame.RequestHeaderBytes, 300)];
                _random.NextBytes(frame);
                break;
            case "mutated":
                Mutate(frame, 0);
                break;
            case "mutated-checksummed":
                Mutate(frame, 4);
                Checksum(frame);
                ending = Ending.Finish;
                break;
            case "oversized":
                BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(28), (uint)_random.NextInt64(frame.Length + 100_000, uint.MaxValue));
                Checksum(frame);
                break;
            case "truncated":
                frame = frame[..^_random.Next(1, frame.Length)];
                ending = Ending.Finish;
                break;
            case "reset":
                frame = frame[.._random.Next(frame.Length)];
                ending = Ending.Reset;
                break;
            case "mutated-hello":
                frame = [.. _hello];
                Mutate(frame, 0);
                break;
            case "cancellation":
                frame = new byte[FeatureFrame.RequestHeaderBytes];
                FeatureFrame.WriteCancellation(frame, (ulong)_random.NextInt64(), (ulong)_random.NextInt64());
                if (_random.Next(2) == 0) Mutate(frame, 0);
                ending = Ending.Finish;
                break;
            case "doubled":
                // One id twice, and a cancellation of both between them.
                var withdrawal = new byte[FeatureFrame.RequestHeaderBytes];
                FeatureFrame.WriteCancellation(withdrawal, 0, BinaryPrimitives.ReadUInt64LittleEndian(frame.AsSpan(16)));
                frame = [.. frame, .. withdrawal, .. frame];
                ending = Ending.Finish;
                break;
            default:
                introduced = _random.Next(2) == 0;
                frame = introduced ? frame[.._random.Next(1, frame.Length)] : _hello[.._random.Next(_hello.Length)];
                ending = Ending.Stall;
                break;
        }

        return frame;
    }

    private static void Checksum(Span<byte> frame)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(frame[(FeatureFrame.RequestHeaderBytes - 8)..], Crc32C.Compute(frame[FeatureFrame.RequestHeaderBytes..]));
        BinaryPrimitives.WriteUInt32LittleEndian(frame[(FeatureFrame.RequestHeaderBytes - 4)..], Crc32C.Compute(frame[..(FeatureFrame.RequestHeaderBytes - 4)]));
    }

    private void Mutate(Span<byte> frame, int from)
    {
        for (int n = _random.Next(1, 5); n > 0; n--) frame[_random.Next(from, frame.Length)] ^= (byte)_random.Next(1, 256);
    }
}
