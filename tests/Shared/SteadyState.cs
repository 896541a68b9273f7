namespace CoInference.Tests;

/// <summary>What code that has run for a while allocates.</summary>
public static class SteadyState
{
    /// <summary>The fewest bytes that the calling thread allocates in one of a few rounds.</summary>
    /// <remarks>
    /// Code that allocates does so in every round. Other rounds count more than they allocate: the first ones may load types, the
    /// runtime replaces code by better optimized code on the running thread, and a collection that another thread starts counts the rest of
    /// this thread's allocation buffer, some kilobytes, as allocated.
    /// </remarks>
    public static long AllocatedBytes(Action round)
    {
        const int Rounds = 6;
        long fewest = long.MaxValue;
        for (int i = 0; i < Rounds && fewest != 0; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            round();
            fewest = Math.Min(fewest, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return fewest;
    }
}
