namespace CoInference.Agent.Online.Replay;

/// <summary>
/// What rate a Wi-Fi link has at a strength of the signal: the fastest of the eight rates of one spatial stream in 20 MHz (800 ns guard
/// interval) whose minimum sensitivity in IEEE 802.11n the signal reaches.
/// </summary>
/// <remarks>
/// Assumptions: 60 % of the rate on the air is left for data, and below the lowest sensitivity the link falls back to 1 Mbit/s.
/// </remarks>
public static class WifiRate
{
    /// <summary>Share of the rate on the air that carries data.</summary>
    public const double Goodput = 0.6;

    private const double FallbackMbps = 1;

    private static readonly (double Dbm, double Mbps)[] Rates = [(-64, 65), (-65, 58.5), (-66, 52), (-70, 39), (-74, 26), (-77, 19.5), (-79, 13), (-82, 6.5)];

    /// <summary>Bytes per second.</summary>
    /// <param name="signalDbm">Strength of the signal in dBm.</param>
    public static double BytesPerSecond(double signalDbm)
    {
        foreach ((double dbm, double mbps) in Rates)
        {
            if (signalDbm >= dbm) return Goodput * mbps * 1e6 / 8;
        }

        return Goodput * FallbackMbps * 1e6 / 8;
    }
}
