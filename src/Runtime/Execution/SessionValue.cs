using CoInference.Kernels.Tensors;

namespace CoInference.Runtime.Execution;

/// <summary>An input or output of a session, with the shape it has at the session's batch size.</summary>
/// <param name="Name">Value name in the graph.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Shape; null for an output whose shape is known only after a run.</param>
public sealed record SessionValue(string Name, ElementType Type, TensorShape? Shape);
