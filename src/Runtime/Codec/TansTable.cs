using System.Numerics;

namespace CoInference.Runtime.Codec;

/// <summary>
/// Coding tables of one static distribution for tabled asymmetric numeral systems. J. Duda, "Asymmetric numeral systems",
/// 2013, with the symbol spread of Y. Collet's finite state entropy.
/// </summary>
/// <remarks>The encoder's states run from L to 2 L - 1, the decoder's from 0 to L - 1, with L = 2^log.</remarks>
internal static class TansTable
{
    /// <summary>Fills the decoding table: next state in bits 0 to 15, bits to read in 16 to 23, symbol in 24 to 31.</summary>
    /// <param name="frequencies">Positive frequency of every symbol; they sum to L.</param>
    /// <param name="log">Logarithm of L, at most 15.</param>
    /// <param name="table">L entries.</param>
    public static void FillDecoder(ReadOnlySpan<ushort> frequencies, int log, Span<uint> table)
    {
        int length = 1 << log;
        Span<byte> spread = new byte[length];
        Spread(frequencies, spread);
        var next = new int[frequencies.Length];
        for (int symbol = 0; symbol < next.Length; symbol++) next[symbol] = frequencies[symbol];
        for (int state = 0; state < length; state++)
        {
            int symbol = spread[state];
            int x = next[symbol]++;
            int bits = log - BitOperations.Log2((uint)x);
            table[state] = (uint)((x << bits) - length) | ((uint)bits << 16) | ((uint)symbol << 24);
        }
    }

    /// <summary>Fills the encoding tables.</summary>
    /// <param name="frequencies">Positive frequency of every symbol; they sum to L.</param>
    /// <param name="log">Logarithm of L, at most 15.</param>
    /// <param name="steps">One per symbol.</param>
    /// <param name="states">L next states.</param>
    public static void FillEncoder(ReadOnlySpan<ushort> frequencies, int log, Span<EncoderStep> steps, Span<ushort> states)
    {
        int length = 1 << log;
        Span<byte> spread = new byte[length];
        Spread(frequencies, spread);
        var next = new int[frequencies.Length];
        int total = 0;
        for (int symbol = 0; symbol < frequencies.Length; symbol++)
        {
            int frequency = frequencies[symbol];
            // States of at least frequency << bits give out this many bits, smaller ones one less.
            int bits = frequency == 1 ? log : log - BitOperations.Log2((uint)(frequency - 1));
            steps[symbol] = new EncoderStep((bits << 16) - (frequency << bits), total - frequency);
            next[symbol] = total;
            total += frequency;
        }

        for (int state = 0; state < length; state++) states[next[spread[state]]++] = (ushort)(length + state);
    }

    // A stride that is coprime to the power of two visits every state once and scatters each symbol evenly.
    private static void Spread(ReadOnlySpan<ushort> frequencies, Span<byte> spread)
    {
        int mask = spread.Length - 1;
        int stride = (spread.Length >> 1) + (spread.Length >> 3) + 3;
        int state = 0;
        for (int symbol = 0; symbol < frequencies.Length; symbol++)
        {
            for (int i = 0; i < frequencies[symbol]; i++)
            {
                spread[state] = (byte)symbol;
                state = (state + stride) & mask;
            }
        }
    }

    /// <summary>What encoding one symbol needs: bits = (state + DeltaBits) >> 16, next = states[(state >> bits) + DeltaState].</summary>
    internal readonly record struct EncoderStep(int DeltaBits, int DeltaState);
}
