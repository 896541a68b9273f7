using System.Numerics;
using System.Runtime.CompilerServices;

namespace CoInference.Runtime.Codec;

/// <summary>
/// Coding tables of one static distribution for tabled asymmetric numeral systems. J. Duda, "Asymmetric numeral systems",
/// 2013, with the symbol spread of Y. Collet's finite state entropy.
/// </summary>
/// <remarks>The encoder's states run from L to 2 L - 1, the decoder's from 0 to L - 1, with L = 2^log.</remarks>
internal static class TansTable
{
    /// <summary>Mask of the number of bits in an encoding step.</summary>
    public const int BitsMask = 15;

    /// <summary>Lowest bit of the threshold in an encoding step.</summary>
    public const int ThresholdShift = 4;

    /// <summary>Mask of the threshold, shifted down.</summary>
    public const int ThresholdMask = (1 << (OffsetShift - ThresholdShift)) - 1;

    /// <summary>Lowest bit of the offset in an encoding step.</summary>
    public const int OffsetShift = 18;

    /// <summary>Bits that a state, from L to 2 L - 1, gives out when it takes a symbol in.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Bits(uint step, uint state) =>
        (int)(step & BitsMask) - (state < ((step >> ThresholdShift) & ThresholdMask) ? 1 : 0);

    /// <summary>What leads from the rest of a state to the place of the next one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Offset(uint step) => (int)step >> OffsetShift;

    /// <summary>Fills the decoding table: bits to read in bits 0 to 7, symbol in 8 to 15, next state in 16 to 31.</summary>
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
            table[state] = (uint)bits | ((uint)symbol << 8) | ((uint)((x << bits) - length) << 16);
        }
    }

    /// <summary>Fills the encoding tables.</summary>
    /// <remarks>
    /// The step of a symbol holds in bits 0 to 3 how many bits states from a threshold on give out, smaller ones one less; in
    /// bits 4 to 17 that threshold; in 18 to 31, signed, what to add to the rest of the state for the place of the next one.
    /// </remarks>
    /// <param name="frequencies">Positive frequency of every symbol; they sum to L.</param>
    /// <param name="log">Logarithm of L, at most 12.</param>
    /// <param name="steps">One per symbol.</param>
    /// <param name="states">L next states.</param>
    public static void FillEncoder(ReadOnlySpan<ushort> frequencies, int log, Span<uint> steps, Span<ushort> states)
    {
        int length = 1 << log;
        Span<byte> spread = new byte[length];
        Spread(frequencies, spread);
        var next = new int[frequencies.Length];
        int total = 0;
        for (int symbol = 0; symbol < frequencies.Length; symbol++)
        {
            int frequency = frequencies[symbol];
            int bits = frequency == 1 ? log : log - BitOperations.Log2((uint)(frequency - 1));
            steps[symbol] = (uint)bits | ((uint)(frequency << bits) << ThresholdShift) | ((uint)(total - frequency) << OffsetShift);
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
}
