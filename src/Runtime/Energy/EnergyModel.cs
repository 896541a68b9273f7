using CoInference.Runtime.Plans;
using CoInference.Runtime.Targets;

namespace CoInference.Runtime.Energy;

/// <summary>Power of one processor of the device beyond its baseline.</summary>
/// <param name="Device">What computes: <c>cpu</c>, <c>opencl:0</c>, ...; empty for any.</param>
/// <param name="Threads">CPU threads that compute; 0 for any number.</param>
/// <param name="Precision"><c>f32</c> or <c>i8</c>; empty for any.</param>
/// <param name="BusyWatts">While it computes.</param>
/// <param name="IdleWatts">While it waits for the answer, because it must be kept awake.</param>
public sealed record ProcessorPower(string Device, int Threads, string Precision, double BusyWatts, double IdleWatts);

/// <summary>Power of the radio beyond the baseline, at one strength of the signal.</summary>
/// <param name="SignalDbm">Strength of the received signal in dBm.</param>
/// <param name="TransmitWatts">While it sends.</param>
/// <param name="ReceiveWatts">While it receives.</param>
public sealed record RadioPower(double SignalDbm, double TransmitWatts, double ReceiveWatts);

/// <summary>
/// What answering a request costs the device where no meter can tell: powers that a user may edit, times the seconds of each
/// part. Every figure made with it is modelled, not measured.
/// </summary>
/// <remarks>
/// The form is AutoScale's (Kim and Wu, MICRO 2020): busy power times busy time, idle power while waiting, and transmit and receive
/// power that depend on the signal. What other programs draw is not charged to the request.
/// </remarks>
public sealed record EnergyModel
{
    /// <summary>Schema name of the file.</summary>
    public const string SchemaName = "coinference.energy/1";

    private const string CodingDevice = "cpu", CodingPrecision = "f32";

    /// <summary>Always <see cref="SchemaName"/>.</summary>
    public string Schema { get; init; } = SchemaName;

    /// <summary>The device that is modelled.</summary>
    public required string Device { get; init; }

    /// <summary>Where each figure comes from.</summary>
    public required IReadOnlyList<string> Sources { get; init; }

    /// <summary>The whole device doing nothing, radio associated; charged from the request to its answer.</summary>
    public required double BaselineWatts { get; init; }

    /// <summary>Processors; the first row that fits a target counts.</summary>
    public required IReadOnlyList<ProcessorPower> Processors { get; init; }

    /// <summary>Radio by strength of the signal, weakest first; linear in between, and the nearest row beyond the ends.</summary>
    public required IReadOnlyList<RadioPower> Radio { get; init; }

    /// <summary>A board of the Raspberry Pi 4 class on Wi-Fi. All figures are assumptions; <see cref="Sources"/> says what they rest on.</summary>
    public static EnergyModel Default { get; } = new()
    {
        Device = "board with four Cortex-A72 cores and Wi-Fi (Raspberry Pi 4 class)",
        Sources =
        [
            "baseline and processors: published wall readings of a Raspberry Pi 4, about 2.7 W idle and 6.4 W with four busy cores, hence 0.9 W a core; assumed to be linear in the cores",
            "8-bit integers: assumed to draw what floats draw; what they save is time",
            "radio: assumed 0.7 W sending and 0.6 W receiving with a good signal, as published readings of active Wi-Fi modules; sending rises to 1.3 W where the amplifier runs at its limit",
        ],
        BaselineWatts = 2.7,
        Processors = [new("cpu", 1, "", 0.9, 0), new("cpu", 2, "", 1.8, 0), new("cpu", 3, "", 2.7, 0), new("cpu", 0, "", 3.7, 0), new("", 0, "", 3.0, 0.3)],
        Radio = [new(-90, 1.3, 0.8), new(-80, 1.0, 0.7), new(-60, 0.7, 0.6)],
    };

    /// <summary>Reads a model.</summary>
    /// <exception cref="InvalidDataException">Not such a file, or a figure in it makes no sense; the message names the field.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static EnergyModel Load(string path)
    {
        EnergyModel model = SchemaFile.Read(path, SchemaName, EnergyJson.Default.EnergyModel);
        if (model.Problem() is { } problem) throw new InvalidDataException($"{path}: {problem}");
        return model;
    }

    /// <summary>Writes the model, for a user to edit.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path) => SchemaFile.Write(path, this, EnergyJson.Default.EnergyModel);

    /// <summary>The powers that a target draws, looked up once.</summary>
    /// <exception cref="InvalidDataException">No row of <see cref="Processors"/> fits.</exception>
    public TargetPower Of(ExecutionTarget target)
    {
        ArgumentNullException.ThrowIfNull(target);
        ProcessorPower coding = Row(CodingDevice, 1, CodingPrecision);
        if (target.Placement == TargetPlacement.Edge) return new TargetPower(this, 0, 0, coding.BusyWatts);
        ProcessorPower row = Row(target.Device, target.Threads, target.Precision);
        return new TargetPower(this, row.BusyWatts, row.IdleWatts, coding.BusyWatts);
    }

    /// <summary>Power while sending, in watts.</summary>
    /// <param name="signalDbm">Strength of the signal; NaN counts as the strongest listed.</param>
    public double TransmitWatts(double signalDbm) => Between(signalDbm).TransmitWatts;

    /// <summary>Power while receiving, in watts.</summary>
    /// <param name="signalDbm">Strength of the signal; NaN counts as the strongest listed.</param>
    public double ReceiveWatts(double signalDbm) => Between(signalDbm).ReceiveWatts;

    private (double TransmitWatts, double ReceiveWatts) Between(double signalDbm)
    {
        int above = 0;
        while (above < Radio.Count && !(Radio[above].SignalDbm >= signalDbm)) above++;
        if (above == 0) return (Radio[0].TransmitWatts, Radio[0].ReceiveWatts);
        RadioPower low = Radio[above - 1];
        if (above == Radio.Count) return (low.TransmitWatts, low.ReceiveWatts);
        RadioPower high = Radio[above];
        double share = (signalDbm - low.SignalDbm) / (high.SignalDbm - low.SignalDbm);
        return (low.TransmitWatts + (share * (high.TransmitWatts - low.TransmitWatts)), low.ReceiveWatts + (share * (high.ReceiveWatts - low.ReceiveWatts)));
    }

    private ProcessorPower Row(string device, int threads, string precision) =>
        Processors.FirstOrDefault(row => (row.Device.Length == 0 || row.Device == device) && (row.Threads == 0 || row.Threads == threads)
            && (row.Precision.Length == 0 || row.Precision == precision))
        ?? throw new InvalidDataException($"The energy model of '{Device}' has no row in 'processors' for device '{device}' with {threads} threads at {precision}.");

    private string? Problem()
    {
        if (!IsPower(BaselineWatts)) return $"field 'baselineWatts' is {BaselineWatts}, expected 0 to 10000.";
        if (Processors.Count == 0) return "field 'processors' is empty, expected at least one row.";
        if (Radio.Count == 0) return "field 'radio' is empty, expected at least one row.";
        if (Processors.FirstOrDefault(row => !IsPower(row.BusyWatts) || !IsPower(row.IdleWatts) || row.Threads < 0) is { } processor)
            return $"field 'processors', device '{processor.Device}': expected 0 to 10000 watts and threads of 0 or more.";
        if (Radio.Any(row => !IsPower(row.TransmitWatts) || !IsPower(row.ReceiveWatts))) return "field 'radio': expected 0 to 10000 watts.";
        for (int row = 1; row < Radio.Count; row++)
        {
            if (!(Radio[row].SignalDbm > Radio[row - 1].SignalDbm)) return $"field 'radio': row {row + 1} has {Radio[row].SignalDbm} dBm after {Radio[row - 1].SignalDbm}, expected rising strengths.";
        }

        return null;
    }

    private static bool IsPower(double watts) => watts is >= 0 and <= 10_000;
}

/// <summary>The powers that one target draws.</summary>
/// <param name="Model">The model they come from.</param>
/// <param name="BusyWatts">Of the processor that runs the device's layers.</param>
/// <param name="IdleWatts">Of that processor while the edge has the request.</param>
/// <param name="CodingWatts">Of the processor that encodes.</param>
public readonly record struct TargetPower(EnergyModel Model, double BusyWatts, double IdleWatts, double CodingWatts)
{
    /// <summary>Energy of a frame that crosses while the device has nothing else to do, in joules; modelled. The baseline is drawn anyway; the radio listens until the reply is there.</summary>
    /// <param name="transmitSeconds">Sending.</param>
    /// <param name="listenSeconds">From the last byte sent to the last one received, or until it is given up.</param>
    /// <param name="signalDbm">Strength of the signal in dBm, or NaN.</param>
    public double ProbeJoules(double transmitSeconds, double listenSeconds, double signalDbm) =>
        (transmitSeconds * Model.TransmitWatts(signalDbm)) + (listenSeconds * Model.ReceiveWatts(signalDbm));

    /// <summary>Energy of one request, in joules; modelled.</summary>
    /// <param name="deviceSeconds">Computing the device's layers.</param>
    /// <param name="encodeSeconds">Encoding.</param>
    /// <param name="transmitSeconds">Sending.</param>
    /// <param name="receiveSeconds">Receiving.</param>
    /// <param name="latencySeconds">From the request to its answer.</param>
    /// <param name="signalDbm">Strength of the signal in dBm, or NaN.</param>
    public double Joules(double deviceSeconds, double encodeSeconds, double transmitSeconds, double receiveSeconds, double latencySeconds, double signalDbm)
    {
        double joules = (Model.BaselineWatts * latencySeconds) + (BusyWatts * deviceSeconds) + (IdleWatts * (latencySeconds - deviceSeconds)) + (CodingWatts * encodeSeconds);
        if (transmitSeconds > 0) joules += transmitSeconds * Model.TransmitWatts(signalDbm);
        if (receiveSeconds > 0) joules += receiveSeconds * Model.ReceiveWatts(signalDbm);
        return joules;
    }
}
