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
                    for (int i = 0; i < input.Width * BorderedMap.Lanes; i++) sums[i % BorderedMap.Lanes] += row[i];
                }

                foreach (ref float sum in sums) sum *= share;
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
                float* arrived = Gradient.Plane(image, block), row = target.Plane(image, block);
                for (int y = 0; y < input.Height; y++, row += target.RowStride)
                {
                    for (int i = 0; i < input.Width * BorderedMap.Lanes; i++)
                    {
                        float value = share * arrived[i % BorderedMap.Lanes];
                        row[i] = accumulates ? row[i] + value : value;
                    }
                }
            }
        }
    }
}
