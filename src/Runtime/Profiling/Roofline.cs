using System.Diagnostics;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Profiling;

/// <summary>Peaks of one core of this host, measured in this process (Williams, Waterman and Patterson 2009).</summary>
/// <param name="PeakGflops">10^9 fused multiply-add operations times two per second, by vector width; only widths this CPU has.</param>
/// <param name="CopyGbps">10^9 bytes per second that a copy between two large buffers reads and writes, both counted.</param>
public sealed record Roofline(IReadOnlyDictionary<VectorWidth, double> PeakGflops, double CopyGbps)
{
    private const int CopyBytes = 64 << 20;
    private const double SampleMs = 4;
    private const int Samples = 9;

    /// <summary>Peak of the widest vector unit.</summary>
    public double BestGflops => PeakGflops.Values.Max();

    /// <summary>Measures the peaks: the best of several samples, because a peak is what the hardware can do undisturbed.</summary>
    /// <param name="cancellation">Stops between two samples.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Roofline Measure(CancellationToken cancellation = default)
    {
        var peaks = new Dictionary<VectorWidth, double>();
        foreach (VectorWidth width in (VectorWidth[])[VectorWidth.Vector128, VectorWidth.Vector256, VectorWidth.Vector512])
        {
            if (CpuFeatures.Supports(width)) peaks[width] = PeakOf(width, cancellation);
        }

        if (peaks.Count == 0) peaks[VectorWidth.Scalar] = PeakOf(VectorWidth.Scalar, cancellation);
        return new Roofline(peaks, Bandwidth(cancellation));
    }

    /// <summary>Time in microseconds that the work would take at the binding peak.</summary>
    /// <param name="flops">Floating-point operations; a multiply-add counts as two.</param>
    /// <param name="bytes">Bytes read and written.</param>
    public double TimeAtPeakUs(double flops, double bytes) => Math.Max(flops / (BestGflops * 1e3), bytes / (CopyGbps * 1e3));

    /// <summary>Which peak binds: <c>compute</c> or <c>memory</c>.</summary>
    public string BoundBy(double flops, double bytes) => flops / BestGflops >= bytes / CopyGbps ? "compute" : "memory";

    private static double PeakOf(VectorWidth width, CancellationToken cancellation)
    {
        int iterations = 1 << 12;
        double seconds;
        while ((seconds = Time(() => FmaLoop.Run(width, iterations))) < SampleMs / 1000) iterations = (int)(iterations * Math.Clamp(1.3 * SampleMs / 1000 / seconds, 1.5, 16));
        double best = seconds;
        for (int i = 0; i < Samples; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            best = Math.Min(best, Time(() => FmaLoop.Run(width, iterations)));
        }

        return iterations * (double)FmaLoop.FlopsPerIteration(width) / best / 1e9;
    }

    private static unsafe double Bandwidth(CancellationToken cancellation)
    {
        AlignedBuffer source = new(CopyBytes), target = new(CopyBytes);
        source.Span.Fill(1);
        double best = double.PositiveInfinity;
        for (int i = 0; i < Samples; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            best = Math.Min(best, Time(() => Buffer.MemoryCopy(source.Pointer, target.Pointer, CopyBytes, CopyBytes)));
        }

        return 2.0 * CopyBytes / best / 1e9;
    }

    private static double Time(Action work)
    {
        long started = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }
}
