namespace CoInference.Runtime.Codec;

/// <summary>Outcome of a request at the edge. The values are those on the wire.</summary>
public enum ReplyStatus : byte
{
    /// <summary>The reply carries the outputs.</summary>
    Ok = 0,

    /// <summary>The request was malformed or did not fit the edge's codec; the message says how.</summary>
    BadRequest = 1,

    /// <summary>The edge serves another plan.</summary>
    WrongPlan = 2,

    /// <summary>The edge cannot take more work now.</summary>
    Busy = 3,

    /// <summary>The edge failed while it worked on the request.</summary>
    Failed = 4,

    /// <summary>The request's deadline passed before it began to run; it was not computed.</summary>
    Expired = 5,

    /// <summary>The device withdrew the request before it began to run; it was not computed.</summary>
    Cancelled = 6,

    /// <summary>The edge does not know this device: the token is missing or wrong.</summary>
    Unauthorized = 7,
}
