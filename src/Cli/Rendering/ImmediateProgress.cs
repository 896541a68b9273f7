namespace CoInference.Cli.Rendering;

/// <summary>Reports on the reporting thread; <see cref="Progress{T}"/> would queue to the thread pool and arrive out of order.</summary>
/// <param name="report">Receives each value.</param>
internal sealed class ImmediateProgress<T>(Action<T> report) : IProgress<T>
{
    /// <inheritdoc/>
    public void Report(T value) => report(value);
}
