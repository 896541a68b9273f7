namespace CoInference.Kernels.Registry;

/// <summary>How the sparsity of a layer is realised.</summary>
public enum WeightForm
{
    /// <summary>All weights are stored; removed channels make the layer physically smaller.</summary>
    Dense,

    /// <summary>One SIMD vector of output channels times one input tap is kept or dropped as a whole.</summary>
    Block,

    /// <summary>Single weights are kept or dropped.</summary>
    Unstructured,
}
