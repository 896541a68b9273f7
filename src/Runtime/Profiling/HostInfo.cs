using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text;
using CoInference.Kernels.Devices;

namespace CoInference.Runtime.Profiling;

/// <summary>What a result was measured on. Everything is best effort: what cannot be read is <c>unknown</c>.</summary>
public sealed record HostInfo
{
    /// <summary>What stands for a fact that cannot be read.</summary>
    public const string Unknown = "unknown";

    /// <summary>Model of the CPU.</summary>
    public required string Cpu { get; init; }

    /// <summary>Processor architecture, e.g. <c>X64</c>.</summary>
    public required string Architecture { get; init; }

    /// <summary>Vector width the kernels use and the instruction sets behind it.</summary>
    public required string InstructionSets { get; init; }

    /// <summary>Logical processors this process may use.</summary>
    public required int LogicalProcessors { get; init; }

    /// <summary>Frequency governor.</summary>
    public required string Governor { get; init; }

    /// <summary>Clock of the first core in MHz when the result was made.</summary>
    public required string ClockMhz { get; init; }

    /// <summary>Temperature of the first thermal zone in degrees Celsius.</summary>
    public required string TemperatureC { get; init; }

    /// <summary>Hypervisor, or <c>none</c>.</summary>
    public required string Hypervisor { get; init; }

    /// <summary>Mean number of runnable tasks over the last minute; above the processor count others compete.</summary>
    public required string LoadAverage { get; init; }

    /// <summary>Operating system.</summary>
    public required string OperatingSystem { get; init; }

    /// <summary>Runtime.</summary>
    public required string Runtime { get; init; }

    /// <summary>Version of this program, with the git revision when it was built from a checkout.</summary>
    public required string Revision { get; init; }

    /// <summary>Environment variables that change how code is compiled or run, as <c>NAME=value</c>.</summary>
    public required IReadOnlyList<string> Knobs { get; init; }

    /// <summary>Looks at this host now.</summary>
    public static HostInfo Capture() => new()
    {
        Cpu = CpuModel(),
        Architecture = RuntimeInformation.ProcessArchitecture.ToString(),
        InstructionSets = InstructionSetNames(),
        LogicalProcessors = Environment.ProcessorCount,
        Governor = FirstLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        ClockMhz = Clock(),
        TemperatureC = Scaled(FirstLine("/sys/class/thermal/thermal_zone0/temp"), 1000),
        Hypervisor = HypervisorName(),
        LoadAverage = FirstLine("/proc/loadavg").Split(' ')[0],
        OperatingSystem = RuntimeInformation.OSDescription,
        Runtime = RuntimeInformation.FrameworkDescription,
        Revision = typeof(HostInfo).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? Unknown,
        Knobs = EnvironmentKnobs(),
    };

    private static string CpuModel()
    {
        foreach (string key in (string[])["model name", "Hardware", "CPU part"])
        {
            if (CpuInfo(key) is { } value) return value;
        }

        return Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? Unknown;
    }

    private static string Clock()
    {
        string current = Scaled(FirstLine("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"), 1000);
        return current != Unknown ? current : CpuInfo("cpu MHz") ?? Unknown;
    }

    private static string InstructionSetNames()
    {
        (string Name, bool Has)[] sets =
        [
            ("AVX-512F", Avx512F.IsSupported), ("AVX2", Avx2.IsSupported), ("FMA", Fma.IsSupported), ("SSE4.2", Sse42.IsSupported),
            ("AdvSimd", System.Runtime.Intrinsics.Arm.AdvSimd.IsSupported), ("Dp", System.Runtime.Intrinsics.Arm.Dp.IsSupported),
        ];
        return $"{CpuFeatures.Widest} ({string.Join(' ', sets.Where(set => set.Has).Select(set => set.Name))})";
    }

    private static string HypervisorName()
    {
        if (!X86Base.IsSupported) return Unknown;

        // CPUID leaf 1, ECX bit 31 is set under a hypervisor; leaf 0x40000000 then spells its name.
        if ((X86Base.CpuId(1, 0).Ecx & (1 << 31)) == 0) return "none";
        (_, int b, int c, int d) = X86Base.CpuId(0x40000000, 0);
        Span<int> registers = [b, c, d];
        string name = Encoding.ASCII.GetString(MemoryMarshal.AsBytes(registers)).Trim('\0', ' ');
        return name.Length > 0 && name.All(letter => letter is >= ' ' and <= '~') ? name : Unknown;
    }

    private static List<string> EnvironmentKnobs()
    {
        var knobs = new List<string>();
        foreach (System.Collections.DictionaryEntry entry in Environment.GetEnvironmentVariables())
        {
            var name = (string)entry.Key;
            bool counts = name.StartsWith("DOTNET_Enable", StringComparison.Ordinal) || name.StartsWith("DOTNET_Tiered", StringComparison.Ordinal)
                || name.StartsWith("DOTNET_gc", StringComparison.OrdinalIgnoreCase) || name is "DOTNET_TC_QuickJitForLoops" or "DOTNET_MaxVectorTBitWidth"
                || name.StartsWith("COINFERENCE_", StringComparison.Ordinal);
            if (counts) knobs.Add($"{name}={entry.Value}");
        }

        knobs.Sort(StringComparer.Ordinal);
        return knobs;
    }

    private static string Scaled(string number, double divisor) =>
        double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            ? (value / divisor).ToString("0.#", CultureInfo.InvariantCulture) : Unknown;

    private static string? CpuInfo(string key)
    {
        try
        {
            foreach (string line in File.ReadLines("/proc/cpuinfo"))
            {
                string[] pair = line.Split(':', 2, StringSplitOptions.TrimEntries);
                if (pair.Length == 2 && pair[0] == key) return pair[1];
            }
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            // Not Linux, or a closed sandbox: the caller names the fact unknown.
        }

        return null;
    }

    private static string FirstLine(string path)
    {
        try
        {
            return File.ReadLines(path).FirstOrDefault()?.Trim() is { Length: > 0 } line ? line : Unknown;
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return Unknown;
        }
    }
}
