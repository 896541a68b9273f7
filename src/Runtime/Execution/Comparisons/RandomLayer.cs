using CoInference.Kernels.Gpu.Layers;
using CoInference.Kernels.Reference;
using CoInference.Kernels.Registry;
using CoInference.Kernels.Tensors;
using TensorPrimitives = System.Numerics.Tensors.TensorPrimitives;

namespace CoInference.Runtime.Execution;

/// <summary>Random data of a layer, row-major, and what the reference makes of it.</summary>
internal sealed class RandomLayer
{
    // What the scalar reference does in about a second.
    private const long MostReferenceProducts = 1L << 30;
    private readonly PlanValue _input;
    private readonly PlanValue _output;

    /// <summary>Makes the data and runs the reference.</summary>
    /// <param name="shape">The layer.</param>
    /// <param name="epilogue">What is fused into the store.</param>
    /// <param name="form">How zeros are placed.</param>
    /// <param name="density">Share of weights, or blocks, that are not zero.</param>
    /// <param name="rounding">To what the reference rounds factors before it multiplies them; <see cref="Input"/> and <see cref="Weights"/> are not rounded.</param>
    public RandomLayer(ConvShape shape, Epilogue epilogue, WeightForm form, double density, ProductPrecision rounding = ProductPrecision.Float32)
    {
        Shape = shape;
        Epilogue = epilogue;
        Rounding = rounding;
        (Weights, Bias) = RandomWeights.Create(shape, form, density);
        Zeros = WeightZeros.Of(Tensor.From<float>(new TensorShape(shape.OutChannels, Weights.Length / shape.OutChannels), Weights), shape.OutChannels, false);
        Input = new Tensor(ElementType.Float32, new TensorShape(shape.Batch, shape.InChannels, shape.InHeight, shape.InWidth));
        Residual = new Tensor(ElementType.Float32, new TensorShape(shape.Batch, shape.OutChannels, shape.OutHeight, shape.OutWidth));
        Expected = new Tensor(ElementType.Float32, Residual.Shape);
        RandomWeights.Fill(Input.Values<float>());
        if (epilogue.HasResidual) RandomWeights.Fill(Residual.Values<float>());
        CheckedImages = ImagesToCheck(shape);
        float[] weights = Rounded(Weights);
        ConvShape one = shape with { Batch = 1 };
        foreach (int image in CheckedImages)
        {
            Span<float> residual = ImageOf(Residual, image);
            ReferenceConv.Run(one, epilogue, Rounded(ImageOf(Input, image)), weights, Bias, residual, ImageOf(Expected, image));
        }

        _input = new PlanValue("input", ElementType.Float32, Input.Shape);
        _output = new PlanValue("output", ElementType.Float32, Residual.Shape);
    }

    /// <summary>What rounding errors are measured by: the largest |x| of the input times the largest sum of |w| and |bias| of an output.</summary>
    public double RoundingScale
    {
        get
        {
            int taps = Weights.Length / Shape.OutChannels;
            double largest = 0;
            for (int output = 0; output < Shape.OutChannels; output++)
            {
                double sum = 0;
                foreach (float weight in Weights.AsSpan(output * taps, taps)) sum += Math.Abs((double)weight);
                largest = Math.Max(largest, sum);
            }

            return (largest * Math.Abs(TensorPrimitives.MaxMagnitude<float>(Input.Values<float>()))) + Math.Abs(TensorPrimitives.MaxMagnitude<float>(Bias));
        }
    }

    /// <summary>Largest magnitude that the reference puts out.</summary>
    public double LargestOutput => Math.Abs(TensorPrimitives.MaxMagnitude<float>(Expected.Values<float>()));

    /// <summary>Images of a layer that a scalar reference computes in about a second: all, or the first and the last.</summary>
    public static IReadOnlyList<int> ImagesToCheck(ConvShape shape) =>
        shape.MultiplyAdds <= MostReferenceProducts || shape.Batch <= 2 ? [.. Enumerable.Range(0, shape.Batch)] : [0, shape.Batch - 1];

    public ConvShape Shape { get; }

    /// <summary>To what the reference rounded factors.</summary>
    public ProductPrecision Rounding { get; }

    public Epilogue Epilogue { get; }

    public float[] Weights { get; }

    public float[] Bias { get; }

    public WeightZeros Zeros { get; }

    public Tensor Input { get; }

    public Tensor Residual { get; }

    /// <summary>What the reference makes of <see cref="CheckedImages"/>; zeros elsewhere.</summary>
    public Tensor Expected { get; }

    /// <summary>Images that the reference computed: all, or of a batch that it would take long for the first and the last.</summary>
    public IReadOnlyList<int> CheckedImages { get; }

    public Tensor InputIn(ActivationLayout layout) => layout.IsNchw ? Input : ReorderOperation.Convert(Input, _input, layout);

    public Tensor ResidualIn(ActivationLayout layout) => layout.IsNchw ? Residual : ReorderOperation.Convert(Residual, _output, layout);

    public Tensor ExpectedIn(ActivationLayout layout) => layout.IsNchw ? Expected : ReorderOperation.Convert(Expected, _output, layout);

    private float[] Rounded(ReadOnlySpan<float> values)
    {
        float[] rounded = values.ToArray();
        if (Rounding != ProductPrecision.Float32)
        {
            foreach (ref float value in rounded.AsSpan()) value = FactorRounding.Round(value, Rounding);
        }

        return rounded;
    }

    private Span<float> ImageOf(Tensor values, int image)
    {
        int length = values.Count / Shape.Batch;
        return values.Values<float>().Slice(image * length, length);
    }
}
