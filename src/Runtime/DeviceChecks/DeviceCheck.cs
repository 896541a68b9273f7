using System.Globalization;
using CoInference.Kernels.Gpu;

namespace CoInference.Runtime.DeviceChecks;

/// <summary>A kernel of a device, compared with the scalar reference.</summary>
/// <param name="Kernel">Kernel name.</param>
/// <param name="Cases">Cases it was run on; 0 when the device, by its limits, can run none of them.</param>
/// <param name="MaxRelativeError">Largest difference from the reference over all cases, relative to the largest magnitude of the case; 0 when all results are equal.</param>
/// <param name="ShareOfBound">The same as a share of what rounding explains in that case, the largest; above 1 when a result is wrong.</param>
/// <param name="WrongCases">Cases that are further from the reference than rounding explains, or failed.</param>
/// <param name="FirstWrong">The first of them, and how far off it is; empty when there is none.</param>
public sealed record CheckedKernel(string Kernel, int Cases, double MaxRelativeError, double ShareOfBound, int WrongCases, string FirstWrong)
{
    /// <summary>Whether no case is wrong.</summary>
    public bool IsCorrect => WrongCases == 0;
}

/// <summary>Every kernel for devices, or some, on one device over a built-in set of odd shapes, compared with the scalar references.</summary>
/// <param name="Device">The device's id.</param>
/// <param name="Rows">The kernels that were run, in the order of the lists.</param>
/// <param name="LeftOut">Names of the kernels that were not asked for.</param>
/// <param name="ProgramsNotRun">Programs of the catalog (<see cref="KernelSource.All"/>) that none of the cases ran.</param>
public sealed record DeviceCheck(string Device, IReadOnlyList<CheckedKernel> Rows, IReadOnlyList<string> LeftOut, IReadOnlyList<string> ProgramsNotRun)
{
    /// <summary>Names of all kernels: those of the lists of convolutions, products and integer convolutions, and the operators.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All().Select(check => check.Kernel)];

    /// <summary>
    /// Whether every kernel that ran agrees with the reference and, when none was left out, every program of the catalog ran.
    /// </summary>
    public bool IsCorrect => Rows.All(row => row.IsCorrect) && (LeftOut.Count > 0 || ProgramsNotRun.Count == 0);

    /// <summary>Whether a text is the name of a kernel, or what some begin with: whole words, of which dots are the ends.</summary>
    public static bool Has(string text) => Names.Any(name => Begins(name, text));

    /// <summary>Runs kernels; a kernel that the device refuses to build or run counts as wrong, and the others go on.</summary>
    /// <param name="device">The device.</param>
    /// <param name="beginnings">Names of kernels, or what they begin with; empty for all.</param>
    /// <param name="progress">Receives the number of kernels done, of all to do, and the name of the next.</param>
    /// <param name="cancellation">Stops between cases.</param>
    /// <exception cref="ArgumentException">No kernel begins so; the message names the text.</exception>
    /// <exception cref="DeviceException">The device was lost.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static DeviceCheck Run(
        ComputeDevice device, IReadOnlyCollection<string>? beginnings = null, IProgress<(int Done, int Total, string Kernel)>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        string[] wanted = [.. beginnings ?? []];
        if (wanted.FirstOrDefault(text => !Has(text)) is { } unknown)
            throw new ArgumentException($"No kernel's name is or begins with '{unknown}'.", nameof(beginnings));
        KernelCheck[] checks = [.. All().Where(check => wanted.Length == 0 || wanted.Any(text => Begins(check.Kernel, text)))];
        using var recorder = new RecordingDevice(device);
        var rows = new List<CheckedKernel>(checks.Length);
        foreach (KernelCheck check in checks)
        {
            progress?.Report((rows.Count, checks.Length, check.Kernel));
            rows.Add(Run(check, recorder, cancellation));
        }

        return new DeviceCheck(
            device.Description.Id,
            rows,
            [.. Names.Except(checks.Select(check => check.Kernel))],
            [.. KernelSource.All.Select(source => source.Name).Except(recorder.Loaded)]);
    }

    private static IEnumerable<KernelCheck> All() =>
        [.. ConvolutionChecks.All(), .. IntegerConvolutionChecks.All(), .. ByteQuantizationChecks.All(), .. ProductChecks.All(), .. OperatorChecks.All(), .. MovementChecks.All(), .. CodecChecks.All()];

    // Whole words only; a name stands for itself alone, also where others begin with it.
    private static bool Begins(string name, string text) => name == text || (!Names.Contains(text) && name.StartsWith(text + ".", StringComparison.Ordinal));

    private static CheckedKernel Run(KernelCheck check, ComputeDevice device, CancellationToken cancellation)
    {
        int cases = 0, wrong = 0;
        double error = 0, share = 0;
        string first = "";
        foreach (Func<ComputeDevice, CheckOutcome?> run in check.Cases)
        {
            cancellation.ThrowIfCancellationRequested();
            CheckOutcome outcome;
            try
            {
                if (run(device) is not { } ran) continue;
                outcome = ran;
            }
            catch (DeviceException failure) when (failure.Failure != DeviceFailure.DeviceLost)
            {
                outcome = new CheckOutcome(failure.Message, double.PositiveInfinity, 0);
            }

            cases++;
            error = Math.Max(error, outcome.Error);
            share = Math.Max(share, outcome.Error == 0 ? 0 : outcome.Error / outcome.Bound);
            if (outcome.IsCorrect) continue;
            if (wrong++ == 0) first = string.Create(CultureInfo.InvariantCulture, $"{outcome.Case}: error {outcome.Error:0.0e0}, rounding explains {outcome.Bound:0.0e0}");
        }

        return new CheckedKernel(check.Kernel, cases, error, share, wrong, first);
    }
}
