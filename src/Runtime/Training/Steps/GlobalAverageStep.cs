using System.Numerics.Tensors;
using CoInference.Kernels.Simd.Training;

namespace CoInference.Runtime.Training.Steps;

/// <summary>The mean over all pixels.</summary>
internal sealed unsafe class GlobalAverageStep(TrainingValue input, TrainingValue output) : TrainingStep([input], output)
{
    public override void Forward(int part, int first, int end)
    {
        float share = 1f / (input.Height * input.Width);
        for (int image = first; image < end; image++)
        {
            for (int block = 0; block < input.Map.Blocks; block++)
            {
                var sums = new Span<float>(Output.Map.Plane(image, block), BorderedMap.Lanes);
                sums.Clear();
                float* row = input.Map.Plane(image, block);
                for (int y = 0; y < input.Height; y++, row += input.Map.RowStride)
                {
                    for (int x = 0; x < input.Width; x++)
                        TensorPrimitives.Add(sums, new ReadOnlySpan<float>(row + (x * sums.Length), sums.Length), sums);
                }

                TensorPrimitives.Multiply(sums, share, sums);
            }
        }
    }

    public override void Backward(int part, int first, int end)
    {
        if (InputGradient(0, out bool accumulates) is not { } target) return;
        float share = 1f / (input.Height * input.Width);
        for (int image = first; image < end; image++)
        {
            for (int block = 0; block < target.Blocks; block++)
            {
                var arrived = new ReadOnlySpan<float>(Gradient.Plane(image, block), BorderedMap.Lanes);
                float* row = target.Plane(image, block);
                for (int y = 0; y < input.Height; y++, row += target.RowStride)
                {
                    for (int x = 0; x < input.Width; x++)
                    {
                        var pixel = new Span<float>(row + (x * arrived.Length), arrived.Length);
                        if (accumulates) TensorPrimitives.MultiplyAdd(arrived, share, pixel, pixel);
                        else TensorPrimitives.Multiply(arrived, share, pixel);
                    }
                }
            }
        }
    }
}
