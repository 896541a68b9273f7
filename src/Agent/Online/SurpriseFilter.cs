namespace CoInference.Agent.Online;

/// <summary>What to do with an observation.</summary>
internal enum Surprise
{
    /// <summary>It is as expected: learn from it.</summary>
    None,

    /// <summary>It is far off, for the first time: likely an accident of this request. Leave it out.</summary>
    Once,

    /// <summary>It is far off again: things have changed. Forget what was and start from it.</summary>
    Again,
}

/// <summary>
/// Tells accidents from changes: a single request that a scheduler or a retransmission delayed must not move an estimate, a second one in
/// a row must move it at once.
/// </summary>
internal struct SurpriseFilter
{
    private bool _suspicious;

    /// <summary>Judges an observation.</summary>
    /// <param name="value">What was seen.</param>
    /// <param name="expected">What was expected.</param>
    /// <param name="tolerance">How far off still counts as expected.</param>
    public Surprise Judge(double value, double expected, double tolerance)
    {
        bool far = !(Math.Abs(value - expected) <= tolerance);
        bool again = far && _suspicious;
        _suspicious = far && !again;
        return again ? Surprise.Again : far ? Surprise.Once : Surprise.None;
    }
}
