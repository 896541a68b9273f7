namespace CoInference.Kernels.Gpu;

/// <summary>Keeps compiled programs between processes.</summary>
public interface IProgramCache
{
    /// <summary>A compiled program.</summary>
    /// <param name="key">What it depends on: source, constants, device, driver.</param>
    /// <returns>null when there is none.</returns>
    byte[]? Read(string key);

    /// <summary>Keeps a compiled program. A cache that cannot be written does nothing.</summary>
    void Write(string key, ReadOnlySpan<byte> program);
}
