namespace CoInference.Kernels.Gpu;

/// <summary>Groups of a launch and threads of a group.</summary>
/// <param name="GroupsX">Groups along x.</param>
/// <param name="GroupsY">Groups along y.</param>
/// <param name="GroupsZ">Groups along z.</param>
/// <param name="GroupX">Threads of a group along x.</param>
/// <param name="GroupY">Threads of a group along y.</param>
/// <param name="GroupZ">Threads of a group along z.</param>
public readonly record struct LaunchShape(int GroupsX, int GroupsY, int GroupsZ, int GroupX, int GroupY = 1, int GroupZ = 1)
{
    /// <summary>Enough groups of <paramref name="group"/> threads in a row for <paramref name="count"/> threads.</summary>
    public static LaunchShape Linear(long count, int group) => new(checked((int)((count + group - 1) / group)), 1, 1, group);

    /// <summary>Threads of one group.</summary>
    public int GroupThreads => GroupX * GroupY * GroupZ;
}
