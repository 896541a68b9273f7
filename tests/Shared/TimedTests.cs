namespace CoInference.Tests;

/// <summary>Tests that compare times: none of them runs beside another test of its assembly.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class TimedTests
{
    /// <summary>Name of the collection.</summary>
    public const string Name = "timed";
}
