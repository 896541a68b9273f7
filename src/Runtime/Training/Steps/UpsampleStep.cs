using System.Numerics.Tensors;
using CoInference.Kernels.Simd.Training;

namespace CoInference.Runtime.Training.Steps;

/// <summary>Every pixel repeated a whole number of times along both axes.</summary>
internal sealed unsafe class UpsampleStep(TrainingValue input, TrainingValue output) : TrainingStep([input], output)
{
    private readonly int _vertical = output.Height / input.Height, _horizontal = output.Width / input.Width;

    public override void Forward(int part, int first, int end)
    {
        for (int image = first; image < end; image++)
        {
            for (int block = 0; block < input.Map.Blocks; block++)
            {
                for (int y = 0; y < Output.Height; y++)
                {
                    for (int x = 0; x < Output.Width; x++) Pixel(input.Map, image, block, y / _vertical, x / _horizontal).CopyTo(Pixel(Output.Map, image, block, y, x));
                }
            }
        }
    }

    public override void Backward(int part, int first, int end)
    {
        if (InputGradient(0, out bool accumulates) is not { } target) return;
        for (int image = first; image < end; image++)
        {
            for (int block = 0; block < input.Map.Blocks; block++)
            {
                for (int y = 0; y < Output.Height; y++)
                {
                    for (int x = 0; x < Output.Width; x++)
                    {
                        Span<float> to = Pixel(target, image, block, y / _vertical, x / _horizontal);
                        bool isFirst = y % _vertical == 0 && x % _horizontal == 0;
                        if (isFirst && !accumulates) Pixel(Gradient, image, block, y, x).CopyTo(to);
                        else TensorPrimitives.Add(to, Pixel(Gradient, image, block, y, x), to);
                    }
                }
            }
        }
    }

    private static Span<float> Pixel(BorderedMap map, int image, int block, int row, int column) =>
        new(map.Plane(image, block) + (row * map.RowStride) + ((nint)column * BorderedMap.Lanes), BorderedMap.Lanes);
}
