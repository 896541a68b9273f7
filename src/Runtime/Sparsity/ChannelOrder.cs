namespace CoInference.Runtime.Sparsity;

/// <summary>
/// Chooses the order of kept channels. The order inside a layer is free, so it is chosen such that a shortcut that
/// slices or pads channels stays a slice and a pad: the channels that come through it are neighbours, in the same
/// order on both sides, and no gather is needed.
/// </summary>
internal static class ChannelOrder
{
    /// <summary>Reorders the kept channels of spaces that are joined by picks; other spaces are left alone.</summary>
    /// <param name="analysis">The network's channels.</param>
    /// <param name="kept">Kept channels by root space, ascending; replaced by reordered arrays.</param>
    /// <remarks>
    /// A channel that survives from stage to stage forms a lineage with a first and a last stage. Lineages are sorted
    /// by first stage; those of the first stage by ascending last stage and later ones by descending last stage. Then
    /// at each of up to three stages both the lineages that came from before and those that go on are contiguous.
    /// Longer chains may still need a gather at some stage.
    /// </remarks>
    public static void Arrange(ChannelAnalysis analysis, Dictionary<ChannelSpace, int[]> kept)
    {
        var incoming = new Dictionary<ChannelSpace, ChannelPick>();
        var outgoing = new Dictionary<ChannelSpace, ChannelPick>();
        foreach (ChannelPick pick in analysis.Picks)
        {
            if (pick.Source.Parts.Count != 1 || pick.Map.Where(channel => channel >= 0).Distinct().Count() != pick.Map.Count(channel => channel >= 0)) continue;
            ChannelSpace source = pick.Source.Parts[0].Root, target = pick.Target.Root;
            if (outgoing.ContainsKey(source) || incoming.ContainsKey(target)) continue;
            outgoing.Add(source, pick);
            incoming.Add(target, pick);
        }

        foreach (ChannelSpace first in outgoing.Keys.Where(space => !incoming.ContainsKey(space)))
        {
            var chain = new List<ChannelSpace> { first };
            var picks = new List<ChannelPick>();
            while (outgoing.TryGetValue(chain[^1], out ChannelPick? pick))
            {
                picks.Add(pick);
                chain.Add(pick.Target.Root);
            }

            bool isChanged = chain.Any(space => !ChannelLayout.IsIdentity(kept[space], space.Channels));
            if (isChanged && !chain.Any(space => space.IsFixed)) Arrange(chain, picks, kept);
        }
    }

    private static void Arrange(List<ChannelSpace> chain, List<ChannelPick> picks, Dictionary<ChannelSpace, int[]> kept)
    {
        var lineages = new List<Lineage>();
        var alive = new Dictionary<int, Lineage>();
        for (int stage = 0; stage < chain.Count; stage++)
        {
            var here = new Dictionary<int, Lineage>();
            foreach (int channel in kept[chain[stage]])
            {
                int from = stage == 0 ? -1 : picks[stage - 1].Map[channel];
                if (!alive.TryGetValue(from, out Lineage? lineage)) lineages.Add(lineage = new Lineage(stage));
                lineage.Channels.Add(channel);
                here.Add(channel, lineage);
            }

            alive = here;
        }

        List<Lineage> order = lineages.OrderBy(line => line.First)
            .ThenBy(line => line.First == 0 ? line.Last : -line.Last)
            .ThenBy(line => line.Channels[0]).ToList();
        for (int stage = 0; stage < chain.Count; stage++)
        {
            kept[chain[stage]] = order.Where(line => line.First <= stage && stage <= line.Last)
                .Select(line => line.Channels[stage - line.First]).ToArray();
        }
    }

    /// <summary>One channel followed through consecutive stages.</summary>
    private sealed class Lineage(int first)
    {
        public int First { get; } = first;

        public int Last => First + Channels.Count - 1;

        public List<int> Channels { get; } = [];
    }
}
