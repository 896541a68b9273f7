using System.Diagnostics;
using CoInference.Kernels.Devices;
using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Profiling;

/// <summary>Peaks of one core of this host, measured in this process (Williams, Waterman and Patterson 2009).</summary>
/// <param name="PeakGflops">10^9 fused multiply-add operations times two per second, by vector width; only widths this CPU has.</param>
/// <param name="Copies">Copy bandwidth for growing amounts of data: caches first, memory last.</param>
public sealed record Roofline(IReadOnlyDictionary<VectorWidth, double> PeakGflops, IReadOnlyList<CopyBandwidth> Copies)
{
    private const double SampleMs = 2;
    private const int Samples = 9;

    /// <summary>Bytes read and written per copy: within a first-level cache, a second, a third, and beyond.</summary>
    private static readonly int[] CopySizes = [16 << 10, 256 << 10, 4 << 20, 128 << 20];

    /// <summary>Peak of the widest vector unit.</summary>
    public double BestGflops => PeakGflops.Values.Max();

    /// <summary>Copy bandwidth of memory.</summary>
    public double MemoryGbps => Copies[^1].Gbps;

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
        return new Roofline(peaks, Bandwidths(cancellation));
    }

    /// <summary>Copy bandwidth of the smallest measured amount that holds so many bytes: of the cache they fit into.</summary>
    public double GbpsFor(double bytes)
    {
        foreach (CopyBandwidth copy in Copies)
        {
            if (bytes <= copy.Bytes) return copy.Gbps;
        }

        return MemoryGbps;
    }

    /// <summary>Time in microseconds that the work would take at the binding peak.</summary>
    /// <param name="flops">Floating-point operations; a multiply-add counts as two.</param>
    /// <param name="bytes">Bytes read and written.</param>
    public double TimeAtPeakUs(double flops, double bytes) => Math.Max(flops / (BestGflops * 1e3), bytes / (GbpsFor(bytes) * 1e3));

    /// <summary>Which peak binds: <c>compute</c> or <c>memory</c>.</summary>
    public string BoundBy(double flops, double bytes) => flops / BestGflops >= bytes / GbpsFor(bytes) ? "compute" : "memory";

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

    private static unsafe CopyBandwidth[] Bandwidths(CancellationToken cancellation)
    {
        int half = CopySizes[^1] / 2;
        AlignedBuffer source = new(half), target = new(half);
        source.Span.Fill(1);
        target.Span.Fill(2);
        return Array.ConvertAll(CopySizes, size =>
        {
            int bytes = size / 2, copies = Math.Max(1, CopySizes[^1] / size / 4);
            double best = double.PositiveInfinity;
            for (int i = 0; i < Samples; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                best = Math.Min(best, Time(() =>
                {
                    for (int k = 0; k < copies; k++) Buffer.MemoryCopy(source.Pointer, target.Pointer, bytes, bytes);
                }));
            }

            return new CopyBandwidth(size, (double)size * copies / best / 1e9);
        });
    }

    private static double Time(Action work)
    {
        long started = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }
}

/// <summary>Bandwidth of a copy between two buffers that stay where their size lets them.</summary>
/// <param name="Bytes">Bytes of both buffers together.</param>
/// <param name="Gbps">10^9 bytes per second, read and written ones both counted.</param>
public sealed record CopyBandwidth(int Bytes, double Gbps);
