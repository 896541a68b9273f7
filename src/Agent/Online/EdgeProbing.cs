using CoInference.Runtime.Targets;

namespace CoInference.Agent.Online;

/// <summary>When to probe the edge, and with what: after so many requests without it, more and more rarely while nothing has changed; and at once when something may have.</summary>
internal sealed class EdgeProbing
{
    // Fewer bytes would say nothing of the link's rate.
    private const double LeastBytes = 1024;

    // An edge that is silent is soon looked for again, since nothing else would tell that it is back; but more and more rarely, for
    // behind a link that is too slow for a probe it stays silent.
    private const int FirstRetry = 2;

    private readonly int _first, _most;
    private int _interval, _since, _failed;
    private bool _doubted;

    /// <summary>Creates a schedule.</summary>
    /// <param name="profiles">The targets.</param>
    /// <param name="first">Requests without the edge before a probe while it changes.</param>
    /// <param name="most">And when it has not changed for long; the number doubles from probe to probe.</param>
    public EdgeProbing(IReadOnlyList<TargetProfile> profiles, int first, int most)
    {
        (_first, _most, _interval) = (first, most, first);
        Target = -1;
        for (int i = 0; i < profiles.Count; i++)
        {
            if (profiles[i].Target.Placement == TargetPlacement.Device) continue;
            if (Target < 0 || Cost(i).CompareTo(Cost(Target)) < 0) Target = i;
        }

        (bool, double) Cost(int i) => profiles[i].Target.PayloadBytes >= LeastBytes ? (false, profiles[i].Target.PayloadBytes) : (true, -profiles[i].Target.PayloadBytes);
    }

    /// <summary>The target whose frame is sent: the smallest that still tells the link's rate. -1 when no target needs the edge.</summary>
    public int Target { get; }

    /// <summary>Whether a probe is due.</summary>
    public bool IsDue => Target >= 0 && (_doubted || _since >= _interval);

    /// <summary>A request was answered.</summary>
    /// <param name="crossed">Whether the edge was asked.</param>
    /// <param name="doubted">Whether it surprised.</param>
    public void Passed(bool crossed, bool doubted)
    {
        // A request without the edge leaves a doubt as it is.
        if (!crossed) _since++;
        else (_since, _interval, _doubted) = (0, _first, doubted);
    }

    /// <summary>A probe is not worth its energy now: it is thought of again after the interval.</summary>
    public void Postpone() => (_since, _doubted) = (0, false);

    /// <summary>A probe was sent.</summary>
    /// <param name="answered">Whether it was answered.</param>
    /// <param name="changed">Whether it found something else than expected.</param>
    public void Probed(bool answered, bool changed)
    {
        // What surprised twice is no accident; a second look at the same moment would tell nothing new.
        _doubted = answered && changed && !_doubted;
        _since = 0;
        _failed = answered ? 0 : Math.Min(_most, Math.Max(FirstRetry, 2 * _failed));
        _interval = !answered ? _failed : changed ? _first : Math.Min(_most, 2 * Math.Max(_interval, _first / 2));
    }
}
