using System.Runtime.InteropServices;
using CoInference.Kernels.Devices;

namespace CoInference.Runtime.Execution;

/// <summary>A short text that is equal on machines where a measured kernel choice may be reused.</summary>
public static class DeviceFingerprint
{
    /// <summary>CPU model, vector width, architecture and runtime version of this process.</summary>
    public static string Current { get; } =
        $"{CpuModel()}; {CpuFeatures.Widest}; {RuntimeInformation.ProcessArchitecture}; .NET {Environment.Version}";

    private static string CpuModel()
    {
        const string CpuInfo = "/proc/cpuinfo";
        if (File.Exists(CpuInfo))
        {
            try
            {
                foreach (string line in File.ReadLines(CpuInfo))
                {
                    if (line.StartsWith("model name", StringComparison.Ordinal)) return line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
                }
            }
            catch (IOException)
            {
                // The model is then named by what the runtime knows.
            }
        }

        return Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.OSDescription;
    }
}
